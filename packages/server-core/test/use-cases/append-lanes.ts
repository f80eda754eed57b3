import { groupConversationId } from '@innerline/protocol'
import { expect, it } from 'vitest'
import { AppendLanes } from '../../src/app/append-lanes.js'
import type { AppendItem, AppendResult } from '../../src/ports/index.js'
import { gated, type Gate } from '../support/wrapped-storage.js'
import type { OpenStage, Stage } from './stage.js'

async function arrange(open: OpenStage, lanes = 1) {
  const stage = await open()
  const gate: Gate = {}
  const committed: { readonly items: readonly AppendItem[]; readonly results: readonly AppendResult[] }[] = []
  const make = (storage: Stage['storage'], nodeId: string): AppendLanes =>
    new AppendLanes({
      ...{ storage, clock: stage.clock, nodeId, lanes, queueItems: 1_000 },
      onCommitted: (items, results) => void committed.push({ items, results }),
    })
  const group = (): Promise<string> => stage.open(groupConversationId(stage.ids.uuid()), 'group', ['ann', 'bob'])
  const item = (conversationId: string, text: string): AppendItem => stage.item(conversationId, stage.user('ann'), text)
  return { stage, gate, committed, make, group, item, lanes: make(gated(stage.storage, gate), 'n') }
}

const seqsOf = (results: readonly AppendResult[]): readonly unknown[] => results.map((result) => (result.ok ? result.seq : result.code))

async function textsOf(stage: Stage, conversationId: string): Promise<readonly string[]> {
  const range = { conversationId, from: 1, to: 1_000, direction: 'forward', limit: 1_000, maxBytes: 1 << 24 } as const
  return (await stage.storage.readMessages(range)).entries.map(({ bodyJson }) => JSON.parse(bodyJson).text as string)
}

export function appendLanesCases(open: OpenStage): void {
  it('give every conversation its items in the order they came, whatever batches they travel in', async () => {
    const { stage, committed, lanes, group, item } = await arrange(open, 4)
    const ids = await Promise.all(Array.from({ length: 6 }, group))
    const texts = Array.from({ length: 25 }, (_, i) => `${i}`)
    const results = await Promise.all(texts.flatMap((text) => ids.map((id) => lanes.append(item(id, text)))))
    expect(results.every((result) => result.ok)).toBe(true)
    for (const id of ids) expect(await textsOf(stage, id)).toEqual(texts)
    expect(committed.flatMap(({ items }) => items)).toHaveLength(150)
    expect([lanes.depth, committed.every(({ items }) => items.length <= 100)]).toEqual([0, true])
  })

  it('of three nodes share a conversation without a hole or a repetition, each in its order', async () => {
    const { stage, make, group, item } = await arrange(open)
    const id = await group()
    const nodes = stage.storages.map((storage, n) => make(storage, `n${n}`))
    const answers = await Promise.all(
      nodes.map((lanes, n) => Promise.all(Array.from({ length: 20 }, (_, i) => lanes.append(item(id, `${n} ${i}`))))),
    )
    expect(answers.flatMap(seqsOf).sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    const texts = await textsOf(stage, id)
    for (let n = 0; n < 3; n++) {
      expect(texts.filter((text) => text.startsWith(`${n} `))).toEqual(Array.from({ length: 20 }, (_, i) => `${n} ${i}`))
    }
  })

  it('give each item its own answer: a refusal fails neither its batch nor what follows it', async () => {
    const { lanes, group, item } = await arrange(open)
    const [id, other] = [await group(), await group()]
    const first = item(id, '1')
    const items = [
      first,
      item('g~none', 'x'),
      { ...item(id, 'x'), fromUserId: 'eve', checkedAt: 0 },
      item(other, '1'),
      first,
      { ...first, conversationId: other },
      { ...first, hash: 'f'.repeat(32) },
      item(id, '2'),
    ]
    const results = await Promise.all(items.map((one) => lanes.append(one)))
    expect(seqsOf(results)).toEqual([1, 'NOT_FOUND', 'NOT_MEMBER', 1, 1, 'MSG_ID_CONFLICT', 'MSG_ID_CONFLICT', 2])
    expect(results.map((result) => result.ok && result.duplicate)).toEqual([false, false, false, false, true, false, false, false])
  })

  it('fail a batch as a whole when storage is away, and store it when it comes again, whether or not it was lost', async () => {
    const { stage, gate, lanes, group, item } = await arrange(open)
    const id = await group()
    const items = [item(id, '1'), item(id, '2')]
    const append = () => Promise.all(items.map((one) => lanes.append(one).catch((error: Error) => error.message)))
    gate.before = (method) => {
      if (method === 'appendMessages') throw new Error('away')
    }
    expect(await append()).toEqual(['away', 'away'])
    gate.before = undefined
    gate.after = (method) => {
      if (method === 'appendMessages') throw new Error('lost')
    }
    expect(await append()).toEqual(['lost', 'lost'])
    gate.after = undefined
    expect(await append()).toMatchObject([
      { seq: 1, duplicate: true },
      { seq: 2, duplicate: true },
    ])
    expect(await textsOf(stage, id)).toEqual(['1', '2'])
  })

  it('let nobody wait for a conversation that another transaction keeps locked, and keep its order', async () => {
    const { stage, lanes, group, item } = await arrange(open)
    const [slow, quick] = [await group(), await group()]
    const { tx, commit } = await stage.begin()
    const [held] = (await stage.storage.appendInTransaction?.(tx, stage.batch([item(slow, 'held')]))) ?? []
    expect(held).toMatchObject({ ok: true, seq: 1 })
    const order: string[] = []
    const append = (id: string, text: string) => lanes.append(item(id, text)).finally(() => order.push(text))
    const waiting = [append(slow, '1'), append(slow, '2')]
    await append(quick, 'q1')
    waiting.push(append(slow, '3'))
    await append(quick, 'q2')
    expect(order).toEqual(['q1', 'q2'])
    await commit()
    expect(seqsOf(await Promise.all(waiting))).toEqual([2, 3, 4])
    expect(await textsOf(stage, slow)).toEqual(['held', '1', '2', '3'])
    expect(lanes.depth).toBe(0)
  })
}
