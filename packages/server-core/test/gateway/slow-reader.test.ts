import { CLOSE, QUEUES, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { startTestNode, textTo } from '../support/test-node.js'

const KIB = 1024
const filler = 'x'.repeat(4 * KIB)

describe('a reader that does not keep up', () => {
  it('is closed 4000 when it cannot be told of a lag, and the node lives on', async () => {
    const node = await startTestNode({ limits: { sendsPerSecond: 1_000, sendBurst: 1_000 } })
    const slow = await node.client('bob')
    const quick = await node.client('bob')
    const alice = await node.client('alice')
    slow.stall()
    for (let i = 0; i < 90; i++) {
      alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i} ${filler}`))
      await node.clock.settle()
      await node.clock.advance(50)
    }
    slow.flow()
    await node.clock.settle()
    expect(slow.closed?.code).toBe(CLOSE.slowReader)
    // What it was given is without a hole.
    const seqs = slow.bodies<{ seq: number }>(QUEUES.messages).map(({ seq }) => seq)
    expect(seqs).toEqual(seqs.map((_, i) => i + 1))
    expect(quick.bodies(QUEUES.messages)).toHaveLength(90)
    expect(node.gateway.connections).toBe(2)
  })
})
