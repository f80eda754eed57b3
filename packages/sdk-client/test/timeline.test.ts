import { describe, expect, it } from 'vitest'
import { createRows } from '../src/conversation/timeline.js'
import { entry, range } from './support/entries.js'

const recall = (seq: number, target: number) => entry(seq, { kind: 'recall', target: `m${target}`, body: null })
const edit = (seq: number, target: number, text: string) => entry(seq, { kind: 'edit', target: `m${target}`, body: { type: 'text', text } })
const nobody = () => undefined

describe('the rows of a conversation', () => {
  it('takes a recall as the last word on a target that is not held yet', () => {
    const rows = createRows()
    rows.append([recall(11, 5), edit(12, 5, 'back')], 10)
    rows.prepend([entry(5), entry(6), entry(7), entry(8), entry(9), entry(10)])
    expect(rows.items(nobody)[0]).toMatchObject({ msgId: 'm5', body: null, recalledAt: 11 })
  })
  it('takes the latest of several edits, and does not go back behind what a page carries', () => {
    const rows = createRows()
    rows.append([edit(11, 9, 'first'), edit(12, 9, 'second'), edit(13, 10, 'old')], 10)
    rows.prepend([entry(9), entry(10, { editedAt: 99, body: { type: 'text', text: 'newer' } })])
    expect(rows.items(nobody).map(({ body }) => body)).toEqual([
      { type: 'text', text: 'second' },
      { type: 'text', text: 'newer' },
    ])
  })
  it('forgets recalls with the log they were in', () => {
    const rows = createRows()
    rows.append([entry(1), recall(2, 1)], 0)
    rows.clear()
    rows.append([entry(1)], 0)
    expect(rows.items(nobody)[0]).toMatchObject({ body: { text: '1' } })
  })
  it('keeps recalls over a jump', () => {
    const rows = createRows()
    rows.append([entry(1), recall(2, 1)], 0)
    rows.append([entry(5)], 4)
    rows.prepend([entry(1), entry(2), entry(3), entry(4)])
    expect(rows.items(nobody)[0]).toMatchObject({ body: null })
  })
  it('patches the right row after trimming', () => {
    const rows = createRows()
    rows.append(range(1, 21), 0)
    rows.trim(10)
    expect([rows.low, rows.last, rows.items(nobody).length]).toEqual([11, 21, 10])
    rows.append([recall(22, 15), recall(23, 3)], 21)
    expect(rows.items(nobody).flatMap(({ msgId, body }) => (body === null ? [msgId] : []))).toEqual(['m15'])
  })
  it('takes older entries only where they join what is held', () => {
    const rows = createRows()
    rows.append(range(11, 12), 10)
    expect(rows.prepend(range(6, 9))).toEqual([])
    expect(rows.prepend([...range(5, 6), ...range(8, 10)])).toEqual([])
    expect([rows.low, rows.prepend(range(6, 10)).length, rows.low, rows.last]).toEqual([10, 5, 5, 12])
  })
  it('answers older entries as they are shown, recalled ones without their text', () => {
    const rows = createRows()
    rows.append([recall(4, 2)], 3)
    expect(rows.prepend(range(1, 3)).map(({ body }) => body === null)).toEqual([false, true, false])
  })
})
