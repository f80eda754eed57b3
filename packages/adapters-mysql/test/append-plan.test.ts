import type { AppendItem, AppendResult, Head } from '@innerline/server-core'
import { describe, expect, it } from 'vitest'
import type { LockedHead, StoredEntry } from '../src/append/lock-heads.js'
import { type PlanInput, planAppend } from '../src/append/plan.js'
import { splitByBytes } from '../src/append/split.js'
import { writesOf } from '../src/append/statements.js'
import { refusalOf } from '../src/append/valid-item.js'
import { tablesOf } from '../src/tables.js'

const uuid = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const item = (n: number, fields: Partial<AppendItem> = {}): AppendItem => ({
  ...{ conversationId: 'g~1', msgId: uuid(n), fromUserId: 'ann', kind: 'message', countable: true, hash: 'a'.repeat(32) },
  ...{ bodyJson: '{}', preview: `preview ${n}`, checkedAt: 1, channels: ['group:1'] },
  ...fields,
})
const locked = (fields: Partial<Head> = {}, more: Partial<LockedHead> = {}): LockedHead => ({
  key: 7,
  head: {
    ...{ conversationId: 'g~1', chatType: 'group', headSeq: 0, headOrd: 0, lowSeq: 1, lowOrd: 0, memberVersion: 1, state: 'open' },
    ...{ createdAt: 100, updatedAt: 100 },
    ...fields,
  },
  ...{ lowTime: undefined, lastBatch: undefined, mentionAll: { seq: 0, by: undefined, other: 0 } },
  ...more,
})
const plan = (items: readonly AppendItem[], input: Partial<PlanInput> = {}, head = locked()) =>
  planAppend({ items, now: 200, heads: new Map([['g~1', head]]), stored: new Map(), members: new Map(), ...input })
const stored = (fields: Partial<StoredEntry>): StoredEntry => ({
  ...{
    key: 7,
    conversationId: 'g~1',
    seq: 3,
    ord: 3,
    timestamp: 150,
    fromUserId: 'ann',
    hash: 'a'.repeat(32),
    kind: 'message',
    recalled: false,
  },
  ...fields,
})
const batch = { nodeId: 'n', now: 200, batchId: uuid(99) }
const codes = (results: readonly AppendResult[]) => results.map((result) => (result.ok ? [result.seq, result.duplicate] : result.code))

describe('the plan of an append', () => {
  it('takes what an attempt in doubt has stored for its own while it is the last, and once', () => {
    const found = new Map([[uuid(1), stored({})]])
    const doubted = new Map([[uuid(77), new Set([uuid(1)])]])
    const after = (lastBatch: string | undefined, items = [item(1)]) =>
      codes(plan(items, { stored: found, doubted }, locked({}, { lastBatch })).results)
    expect(after(uuid(77))).toEqual([[3, false]])
    expect(after(uuid(78)), 'others have appended since').toEqual([[3, true]])
    expect(after(undefined), 'the host has').toEqual([[3, true]])
    expect(after(uuid(77), [item(1), item(1)]), 'a batch that names it twice').toEqual([
      [3, false],
      [3, true],
    ])
    const another = plan(
      [item(1)],
      { stored: found, doubted: new Map([[uuid(77), new Set([uuid(2)])]]) },
      locked({}, { lastBatch: uuid(77) }),
    )
    expect(codes(another.results), 'it was another entry that the attempt had').toEqual([[3, true]])
  })

  it('remembers when the oldest entry may expire only once there is a newer one', () => {
    const first = plan([item(1)])
    expect(first.heads[0]).toMatchObject({ headSeq: 1, lowTime: undefined })
    expect(plan([item(1), item(2)]).heads[0], 'both of one batch').toMatchObject({ headSeq: 2, lowTime: 200 })
    expect(plan([item(2)], {}, locked({ headSeq: 1, updatedAt: 150 })).heads[0], 'the one before').toMatchObject({ lowTime: 150 })
    expect(plan([item(3)], {}, locked({ headSeq: 2, updatedAt: 150 }, { lowTime: 120 })).heads[0]).toMatchObject({ lowTime: 120 })
    expect(plan([item(9)], {}, locked({ headSeq: 8, lowSeq: 8, updatedAt: 150 })).heads[0], 'after retention left one').toMatchObject({
      lowTime: 150,
    })
  })

  it('keeps of mentions of all the newest, and the newest of another', () => {
    const all = (n: number, fromUserId: string): AppendItem => item(n, { fromUserId, mentions: ['*'] })
    expect(plan([all(1, 'ann')]).heads[0]?.mentionAll).toEqual({ seq: 1, by: 'ann', other: 0 })
    expect(plan([all(1, 'ann'), all(2, 'bob')]).heads[0]?.mentionAll).toEqual({ seq: 2, by: 'bob', other: 1 })
    expect(plan([all(1, 'ann'), all(2, 'bob'), all(3, 'bob'), all(4, 'ann')]).heads[0]?.mentionAll).toEqual({ seq: 4, by: 'ann', other: 3 })
    expect(plan([all(1, 'ann')]).cursors, 'whatever the number of members').toEqual([{ key: 7, userId: 'ann', sentOrd: 1, mentionSeq: 0 }])
  })

  it('blanks an edit of its own batch when a recall of the same target follows', () => {
    const made = plan([
      item(1),
      item(2, { kind: 'edit', countable: false, target: uuid(1), bodyJson: '"SECRET"' }),
      item(3, { kind: 'recall', countable: false, target: uuid(1), bodyJson: 'null' }),
      item(4, { kind: 'edit', countable: false, target: uuid(1), bodyJson: '"again"' }),
    ])
    expect(codes(made.results)).toEqual([[1, false], [2, false], [3, false], 'STATE_CONFLICT'])
    expect(made.entries.map((entry) => entry.bodyJson)).toEqual(['null', 'null', 'null'])
    expect(made.edits).toEqual([{ key: 7, targetSeq: 1, editSeq: 2 }])
  })

  it('finds no target below the retention floor, though its row may still be there', () => {
    const recall = item(9, { kind: 'recall', countable: false, target: uuid(1), bodyJson: 'null' })
    const target = new Map([[uuid(1), stored({ seq: 3 })]])
    expect(codes(plan([recall], { stored: target }, locked({ headSeq: 8, lowSeq: 4 })).results)).toEqual(['NOT_FOUND'])
    expect(codes(plan([recall], { stored: target }, locked({ headSeq: 8, lowSeq: 3 })).results)).toEqual([[9, false]])
  })

  it('writes nothing when nothing was accepted', () => {
    const made = plan([item(1, { checkedAt: 0 }), item(2, { conversationId: 'g~none' })])
    expect(codes(made.results)).toEqual(['NOT_MEMBER', 'NOT_FOUND'])
    expect(writesOf(tablesOf('db', ''), made, batch)).toEqual([])
  })

  it('writes in the order of locks, one change row per conversation', () => {
    const heads = new Map([
      ['g~1', locked()],
      ['g~2', { ...locked({ conversationId: 'g~2' }), key: 3 }],
    ])
    const made = planAppend({
      ...{ items: [item(1), item(2, { conversationId: 'g~2', fromUserId: 'bob' }), item(3)], now: 200, heads },
      ...{ stored: new Map(), members: new Map() },
    })
    const texts = writesOf(tablesOf('db', ''), made, batch).map((step) => step.sql.text)
    expect(texts.map((text) => /t_[a-z_]+/.exec(text.replace(/\(SELECT[\s\S]*?\) v/, ''))?.[0])).toEqual([
      't_cs_message',
      't_cs_session',
      't_im_cursor',
      't_im_change',
    ])
    expect(texts[3]?.match(/\(1,/g)).toHaveLength(2)
    expect(texts[0]?.indexOf('(3,1,'), 'rows by key').toBeLessThan(texts[0]?.indexOf('(7,1,') ?? -1)
  })
})

describe('a batch', () => {
  it('is cut where a packet would be too large, in order, and never to nothing', () => {
    const sizes = [10, 400, 400, 10, 3_000, 10]
    const parts = splitByBytes(
      sizes.map((_, i) => i),
      (i) => item(i, { bodyJson: 'x'.repeat(sizes[i] as number) }),
      4_000,
    )
    expect(parts).toEqual([[0, 1], [2, 3], [4], [5]])
    expect(splitByBytes([], () => item(0), 10)).toEqual([])
  })

  it('has items refused that the columns cannot hold', () => {
    expect(refusalOf(item(1))).toBeUndefined()
    for (const wrong of [
      { msgId: 'x' },
      { fromUserId: 'a b' },
      { hash: '' },
      { target: 'x' },
      { replyTo: 'X' },
      { kind: 'much too long' as never },
    ]) {
      expect(refusalOf(item(1, wrong))).toMatchObject({ ok: false, code: 'INVALID_REQUEST' })
    }
    expect(refusalOf(item(1, { preview: '😀'.repeat(100) }))).toBeUndefined()
    expect(refusalOf(item(1, { preview: '😀'.repeat(201) }))).toMatchObject({ ok: false })
  })
})
