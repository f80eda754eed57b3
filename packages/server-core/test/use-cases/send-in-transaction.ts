import { expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import type { MemorySocket } from '../support/memory-socket.js'
import type { TestNodeOptions } from '../support/test-node.js'
import { gated, type Gate } from '../support/wrapped-storage.js'
import type { OpenStage } from './stage.js'

async function arrange(open: OpenStage, options: TestNodeOptions = {}) {
  const stage = await open()
  const gate: Gate = {}
  const node = await stage.node({ storage: gated(stage.storage, gate), ...options })
  const [alice, bob, conversationId] = [stage.principal('alice'), stage.principal('bob'), stage.direct('alice', 'bob')]
  const to = (name: string, text: string, msgId?: string) =>
    validate(sendRequest, { toUserId: stage.user(name), msgId, body: { type: 'text', text } })
  return { stage, gate, node, alice, bob, conversationId, to }
}

/** MESSAGE frames about one entry. */
const messagesOf = (socket: MemorySocket, msgId: string) =>
  socket.frames('MESSAGE').filter((frame) => Buffer.from(frame.body).includes(msgId))

export function sendInTransactionCases(open: OpenStage): void {
  it('promises nothing, delivers nothing, and is delivered once when it is announced after the commit', async () => {
    const committed: number[] = []
    const { stage, node, alice, bob, to } = await arrange(open, { hooks: { afterCommit: ({ seq }) => void committed.push(seq) } })
    const bobs = await node.client(bob.userId)
    const transaction = await stage.begin()
    const sent = await node.send.executeInTransaction(alice, to('bob', 'hello'), transaction.tx)
    expect(sent).toMatchObject({ seq: 1, ord: 1, duplicate: false, committed: false, timestamp: stage.clock.now() })
    await sent.announce()
    await stage.clock.advance(3_000)
    expect(messagesOf(bobs, sent.msgId), 'announced before the commit').toEqual([])
    await expect(node.read.message(bob, sent.msgId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await transaction.commit()
    await sent.announce()
    await stage.clock.settle()
    expect(messagesOf(bobs, sent.msgId)).toHaveLength(1)
    expect(committed).toEqual([1])
    await stage.clock.advance(5_000)
    expect(messagesOf(bobs, sent.msgId)).toHaveLength(1)
    expect(await node.read.message(bob, sent.msgId)).toMatchObject({ seq: 1, timestamp: sent.timestamp })
  })

  it('that is never announced is delivered by the feed', async () => {
    const { stage, node, alice, bob, to } = await arrange(open)
    const bobs = await node.client(bob.userId)
    const transaction = await stage.begin()
    const sent = await node.send.executeInTransaction(alice, to('bob', 'hello'), transaction.tx)
    // Others commit later changes meanwhile: the row that appears below them is not missed.
    await node.send.execute(alice, to('carol', 'x'))
    await stage.clock.advance(2_500)
    await transaction.commit()
    await stage.clock.advance(2_500)
    expect(messagesOf(bobs, sent.msgId)).toHaveLength(1)
  })

  it('is told of nobody after a rollback, and a failing announcement is only logged', async () => {
    const { stage, gate, node, alice, bob, conversationId, to } = await arrange(open)
    const bobs = await node.client(bob.userId)
    const transaction = await stage.begin()
    const sent = await node.send.executeInTransaction(alice, to('bob', 'hello'), transaction.tx)
    await transaction.rollback()
    await sent.announce()
    gate.before = (method) => {
      if (method === 'findByMsgIds') throw new Error('away')
    }
    await sent.announce()
    await stage.clock.advance(3_000)
    expect(messagesOf(bobs, sent.msgId)).toEqual([])
    expect(node.logged.filter((line) => line.level === 'warn' && line.message?.includes('announced'))).toHaveLength(1)
    // Its place is given to the next, also under the same id.
    gate.before = undefined
    expect(await node.send.execute(alice, to('bob', 'hello', sent.msgId))).toMatchObject({ seq: 1, duplicate: false })
    expect((await node.storage.readHeads([conversationId]))[0]).toMatchObject({ headSeq: 1, headOrd: 1 })
  })

  it('whose transaction another’s commit made pointless is not announced as that one', async () => {
    const { stage, node, alice, bob, to } = await arrange(open)
    const bobs = await node.client(bob.userId)
    const transaction = await stage.begin()
    const lost = await node.send.executeInTransaction(alice, to('bob', 'lost'), transaction.tx)
    await transaction.rollback()
    const kept = await node.send.execute(alice, to('bob', 'kept'))
    expect(kept.seq).toBe(lost.seq)
    await lost.announce()
    await stage.clock.advance(3_000)
    expect(bobs.bodies('/user/queue/messages')).toMatchObject([{ seq: 1, msgId: kept.msgId, body: { text: 'kept' } }])
  })

  it('holds to rights, sizes and hooks, and not to limits', async () => {
    const seen: string[] = []
    const { stage, node, alice, bob, conversationId, to } = await arrange(open, {
      limits: { sendsPerSecond: 1, sendBurst: 1, bodyBytes: 200 },
      hooks: {
        beforeSend: ({ msgId, body }) => {
          seen.push(msgId)
          return { body: { ...body, text: 'rewritten' } as never }
        },
      },
    })
    const { tx, commit } = await stage.begin()
    const sent = []
    for (let i = 0; i < 3; i++) sent.push(await node.send.executeInTransaction(alice, to('bob', `${i}`), tx))
    expect(sent.map(({ seq, ord }) => [seq, ord])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(seen).toHaveLength(3)
    await expect(node.send.executeInTransaction(alice, to('bob', 'x'.repeat(300)), tx)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const foreign = validate(sendRequest, { groupId: 'none', body: { type: 'text', text: 'x' } })
    await expect(node.send.executeInTransaction(alice, foreign, tx)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const stranger = validate(sendRequest, { conversationId, body: { type: 'text', text: 'x' } })
    await expect(node.send.executeInTransaction(stage.principal('mallory'), stranger, tx)).rejects.toMatchObject({ code: 'NOT_MEMBER' })
    await commit()
    const { entries } = await node.read.history(bob, conversationId, {})
    expect(entries.map(({ msgId, bodyJson }) => [msgId, JSON.parse(bodyJson).text])).toEqual(sent.map(({ msgId }) => [msgId, 'rewritten']))
  })

  it('is idempotent: within its transaction, and against what is committed', async () => {
    const { stage, node, alice, conversationId, to } = await arrange(open)
    const committed = await node.send.execute(alice, to('bob', 'before'))
    const { tx, commit } = await stage.begin()
    expect(await node.send.executeInTransaction(alice, to('bob', 'before', committed.msgId), tx)).toMatchObject({
      ...{ seq: 1, duplicate: true, committed: false },
    })
    await expect(node.send.executeInTransaction(alice, to('bob', 'other', committed.msgId), tx)).rejects.toMatchObject({
      code: 'MSG_ID_CONFLICT',
    })
    const msgId = stage.ids.uuid()
    expect(await node.send.executeInTransaction(alice, to('bob', 'x', msgId), tx)).toMatchObject({ seq: 2, duplicate: false })
    const again = await node.send.executeInTransaction(alice, to('bob', 'x', msgId), tx)
    expect(again).toMatchObject({ seq: 2, duplicate: true })
    await expect(node.send.executeInTransaction(alice, to('bob', 'y', msgId), tx)).rejects.toMatchObject({ code: 'MSG_ID_CONFLICT' })
    await commit()
    await again.announce()
    expect(await node.send.execute(alice, to('bob', 'x', msgId))).toMatchObject({ seq: 2, duplicate: true })
    expect((await node.storage.readHeads([conversationId]))[0]?.headSeq).toBe(2)
  })

  it('keeps its place in the order: others in the conversation wait for its end, others elsewhere do not', async () => {
    const { stage, node, alice, bob, to } = await arrange(open)
    const { tx, commit } = await stage.begin()
    const sent = await node.send.executeInTransaction(alice, to('bob', 'first'), tx)
    let answered = false
    const waiting = node.send.execute(bob, to('alice', 'second')).finally(() => {
      answered = true
    })
    expect((await node.send.execute(bob, to('carol', 'elsewhere'))).seq).toBe(1)
    expect(answered).toBe(false)
    await commit()
    expect(await waiting).toMatchObject({ seq: sent.seq + 1, ord: sent.ord + 1 })
  })
}
