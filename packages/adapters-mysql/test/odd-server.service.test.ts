import { groupConversationId } from '@innerline/protocol'
import { systemClock } from '@innerline/server-core'
import { expect, describe, it } from 'vitest'
import { mysqlStorage } from '../src/index.js'
import { ownServer, privateServers } from './kill/private-server.js'
import { arrange } from './support/arrange.js'
import { mysqlHarness } from './support/mysql-harness.js'
import { connect, rowsOf } from './support/scratch.js'

describe.each(privateServers)('%s, whose settings for all sessions are odd', (name) => {
  const server = ownServer(name, ['--completion-type=CHAIN', '--innodb-rollback-on-timeout=ON', '--autocommit=OFF'])

  it('is started on and keeps what is committed; no transaction of ours stays open', async () => {
    const { url: uri } = server()
    const first = mysqlStorage({ uri, logger: { warn: () => undefined } })
    await first.start()
    await first.close()
    const operator = await connect(uri)
    expect(await rowsOf(operator, 'SELECT version FROM t_im_schema_version'), 'what was applied is recorded').not.toEqual([])
    await operator.query('COMMIT AND NO CHAIN')
    const storage = mysqlStorage({ uri, migrations: 'verify', logger: { warn: () => undefined } })
    await storage.start()
    const conversationId = groupConversationId('odd')
    await storage.openConversation({ conversationId, chatType: 'group', userIds: ['ann'], nodeId: 'n', now: systemClock.now() })
    // The second read would see the snapshot of a transaction that the first, or a COMMIT, has left open.
    for (let seq = 0; seq < 2; seq++) {
      expect((await storage.readHeads([conversationId]))[0]?.memberVersion).toBe(1 + seq)
      await operator.query('UPDATE t_cs_session SET member_version = member_version + 1; COMMIT AND NO CHAIN')
    }
    await operator.end()
    await storage.close()
  })

  it('says that the whole transaction is gone, when a lock that was not given has undone it', async () => {
    const { url: uri } = server()
    const harness = await mysqlHarness(uri)
    const a = arrange(harness)
    const id = await a.conversation(['ann'])
    const late = await harness.lateAppend(a.text(id, 'ann'))
    const tx = await connect(uri)
    await tx.query('SET SESSION innodb_lock_wait_timeout = 1, SESSION completion_type = 0')
    await tx.beginTransaction()
    const request = { nodeId: 'host', now: systemClock.now(), items: [a.text(id, 'ann')] }
    await expect(harness.storage.appendInTransaction?.(tx, request)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await late.rollback()
    await tx.end()
    await harness.connection.query('SET autocommit = 1')
    await harness.dispose()
  })
})
