import { describe, expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { memoryStorage } from '../../src/memory/index.js'
import type { AppendBatch, AppendResult, Principal, Storage } from '../../src/ports/index.js'
import type { MemorySocket } from '../support/memory-socket.js'
import { TestClock } from '../support/test-clock.js'
import { startTestNode } from '../support/test-node.js'

const alice: Principal = { userId: 'alice', userType: 'user' }
const hello = (msgId?: string) => validate(sendRequest, { toUserId: 'bob', msgId, body: { type: 'text', text: 'hello' } })

/** A host's transaction, as far as a storage that has one would know it. */
class HostTransaction {
  readonly batches: AppendBatch[] = []
  constructor(readonly storage: Storage) {}

  async commit(): Promise<void> {
    for (const batch of this.batches.splice(0)) await this.storage.appendMessages(batch)
  }
}

function transactionalStorage(): { storage: Storage; begin: () => HostTransaction; fail: { reads: boolean } } {
  const clock = new TestClock()
  const real = memoryStorage({ clock })
  const fail = { reads: false }
  const storage: Storage = {
    ...real,
    findByMsgIds: (msgIds) => (fail.reads ? Promise.reject(new Error('away')) : real.findByMsgIds(msgIds)),
    async appendInTransaction(tx, batch): Promise<readonly AppendResult[]> {
      const { batches } = tx as HostTransaction
      batches.push(batch)
      const [item] = batch.items
      const [head] = await real.readHeads([item?.conversationId ?? ''])
      const seq = (head?.headSeq ?? 0) + batches.length
      return [{ ok: true, seq, ord: seq, timestamp: batch.now, duplicate: false, memberVersion: head?.memberVersion ?? 1 }]
    },
  }
  return { storage, begin: () => new HostTransaction(real), fail }
}

/** MESSAGE frames about one entry. */
const messagesOf = (socket: MemorySocket, msgId: string) =>
  socket.frames('MESSAGE').filter((frame) => Buffer.from(frame.body).includes(msgId))

describe('a send inside the host’s transaction', () => {
  it('promises nothing, delivers nothing, and is delivered once when it is announced after the commit', async () => {
    const { storage, begin } = transactionalStorage()
    const committed: number[] = []
    const node = await startTestNode({ storage, hooks: { afterCommit: ({ seq }) => void committed.push(seq) } })
    const bob = await node.client('bob')
    const tx = begin()
    const sent = await node.send.executeInTransaction(alice, hello(), tx)
    expect(sent).toMatchObject({ seq: 1, ord: 1, duplicate: false, committed: false })
    await sent.announce()
    await node.clock.settle()
    expect(messagesOf(bob, sent.msgId), 'announced before the commit').toEqual([])
    await tx.commit()
    await sent.announce()
    await node.clock.settle()
    expect(messagesOf(bob, sent.msgId)).toHaveLength(1)
    expect(committed).toEqual([1])
  })

  it('that is never announced is delivered by the feed', async () => {
    const { storage, begin } = transactionalStorage()
    const node = await startTestNode({ storage })
    const bob = await node.client('bob')
    const tx = begin()
    const sent = await node.send.executeInTransaction(alice, hello(), tx)
    await tx.commit()
    await node.clock.advance(2_500)
    expect(messagesOf(bob, sent.msgId)).toHaveLength(1)
  })

  it('is told of nobody after a rollback, and a failing announcement is only logged', async () => {
    const { storage, begin, fail } = transactionalStorage()
    const node = await startTestNode({ storage })
    const bob = await node.client('bob')
    const sent = await node.send.executeInTransaction(alice, hello(), begin())
    await sent.announce()
    fail.reads = true
    await sent.announce()
    await node.clock.advance(3_000)
    expect(messagesOf(bob, sent.msgId)).toEqual([])
    expect(node.logged.filter((line) => line.level === 'warn' && line.message?.includes('announced'))).toHaveLength(1)
  })

  it('holds to rights, sizes and hooks, and not to limits', async () => {
    const { storage, begin } = transactionalStorage()
    const seen: string[] = []
    const node = await startTestNode({
      storage,
      limits: { sendsPerSecond: 1, sendBurst: 1, bodyBytes: 200 },
      hooks: {
        beforeSend: ({ msgId, body }) => {
          seen.push(msgId)
          return { body: { ...body, text: 'rewritten' } as never }
        },
      },
    })
    const tx = begin()
    for (let i = 0; i < 3; i++) await node.send.executeInTransaction(alice, hello(), tx)
    expect(seen).toHaveLength(3)
    expect(tx.batches.map((batch) => JSON.parse(batch.items[0]?.bodyJson ?? '{}').text)).toEqual(['rewritten', 'rewritten', 'rewritten'])
    const large = validate(sendRequest, { toUserId: 'bob', body: { type: 'text', text: 'x'.repeat(300) } })
    await expect(node.send.executeInTransaction(alice, large, tx)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const foreign = validate(sendRequest, { groupId: 'none', body: { type: 'text', text: 'x' } })
    await expect(node.send.executeInTransaction(alice, foreign, tx)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is UNSUPPORTED where the storage has none', async () => {
    const node = await startTestNode()
    await expect(node.send.executeInTransaction(alice, hello(), {})).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})
