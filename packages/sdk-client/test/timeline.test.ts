import type { ChatMessage } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { createRows } from '../src/conversation/timeline.js'

const entry = (seq: number, more: Partial<ChatMessage> = {}): ChatMessage => ({
  conversationId: 'g~1',
  chatType: 'group',
  seq,
  ord: seq,
  msgId: `m${seq}`,
  fromUserId: 'bob',
  timestamp: seq,
  kind: 'message',
  body: { type: 'text', text: String(seq) },
  ...more,
})
const recall = (seq: number, target: number) => entry(seq, { kind: 'recall', target: `m${target}`, body: null })
const edit = (seq: number, target: number, text: string) => entry(seq, { kind: 'edit', target: `m${target}`, body: { type: 'text', text } })
const nobody = () => undefined

describe('the rows of a conversation', () => {
  it('takes a recall as the last word on a target that is not held yet', () => {
    const rows = createRows()
    rows.append([recall(11, 5), edit(12, 5, 'back')], 10, true)
    rows.prepend([entry(5), entry(6), entry(7), entry(8), entry(9), entry(10)], 4)
    expect(rows.items(nobody)[0]).toMatchObject({ msgId: 'm5', body: null, recalledAt: 11 })
  })
  it('takes the latest of several edits, and does not go back behind what a page carries', () => {
    const rows = createRows()
    rows.append([edit(11, 9, 'first'), edit(12, 9, 'second'), edit(13, 10, 'old')], 10, true)
    rows.prepend([entry(9), entry(10, { editedAt: 99, body: { type: 'text', text: 'newer' } })], 8)
    expect(rows.items(nobody).map(({ body }) => body)).toEqual([
      { type: 'text', text: 'second' },
      { type: 'text', text: 'newer' },
    ])
  })
  it('forgets recalls with the log they were in', () => {
    const rows = createRows()
    rows.append([entry(1), recall(2, 1)], 0, true)
    rows.clear()
    rows.append([entry(1)], 0, false)
    expect(rows.items(nobody)[0]).toMatchObject({ body: { text: '1' } })
  })
  it('keeps recalls over a jump', () => {
    const rows = createRows()
    rows.append([entry(1), recall(2, 1)], 0, true)
    rows.append([entry(5)], 4, true)
    rows.prepend([entry(1), entry(2), entry(3), entry(4)], 0)
    expect(rows.items(nobody)[0]).toMatchObject({ body: null })
  })
  it('patches the right row after trimming', () => {
    const rows = createRows()
    rows.append(
      Array.from({ length: 21 }, (_, i) => entry(i + 1)),
      0,
      true,
    )
    rows.trim(10)
    expect([rows.low, rows.items(nobody).length, rows.has('m11'), rows.has('m12')]).toEqual([11, 10, false, true])
    rows.append([recall(22, 15), recall(23, 3)], 11, false)
    expect(rows.items(nobody).flatMap(({ msgId, body }) => (body === null ? [msgId] : []))).toEqual(['m15'])
  })
})
