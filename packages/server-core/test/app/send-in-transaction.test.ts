import { expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { startTestNode } from '../support/test-node.js'

it('a send inside the host’s transaction is UNSUPPORTED where the storage has none', async () => {
  const node = await startTestNode()
  const request = validate(sendRequest, { toUserId: 'bob', body: { type: 'text', text: 'hello' } })
  await expect(node.send.executeInTransaction({ userId: 'alice', userType: 'user' }, request, {})).rejects.toMatchObject({
    code: 'UNSUPPORTED',
  })
})
