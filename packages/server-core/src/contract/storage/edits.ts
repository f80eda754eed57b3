import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'
import type { AppendItem } from '../types.js'

export function editCases(current: Current<StorageHarness>): void {
  const recallOf = (a: Arrange, target: AppendItem, fields: Partial<AppendItem> = {}): AppendItem =>
    a.text(target.conversationId, target.fromUserId, '', {
      kind: 'recall',
      countable: false,
      bodyJson: 'null',
      preview: '',
      target: target.msgId,
      ...fields,
    })
  const editOf = (a: Arrange, target: AppendItem, text: string): AppendItem =>
    a.text(target.conversationId, target.fromUserId, text, { kind: 'edit', countable: false, target: target.msgId })

  describe('a recall', () => {
    it('is an entry of its own, blanks its target everywhere and leaves unread as it was', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const id = await a.conversation([ann, 'bob'])
      const item = a.text(id, 'bob', 'regretted')
      await a.accepted([item, a.text(id, 'bob', 'kept')])
      const [result] = await a.accepted([recallOf(a, item)], a.storage, current().clock.now() + 5)
      expect(result).toMatchObject({ seq: 3, ord: 2 })
      const log = await readLog(a.storage, id)
      expect(log.map((entry) => [entry.kind, entry.bodyJson === 'null', entry.recalledAt])).toEqual([
        ['message', true, result?.timestamp],
        ['message', false, undefined],
        ['recall', true, undefined],
      ])
      expect(log[2]?.target).toBe(item.msgId)
      expect((await a.storage.findEntry(item.msgId))?.bodyJson).toBe('null')
      expect((await a.storage.summaries(ann, { limit: 5 })).totalUnread).toBe(2)
    })

    it('mends the list when its target is the newest message, and leaves it alone otherwise', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const id = await a.conversation([ann, 'bob'])
      const [older, newer] = [a.text(id, 'bob', 'older'), a.text(id, 'bob', 'newer')]
      await a.accepted([older, newer])
      await a.accepted([recallOf(a, older)])
      expect((await a.head(id)).last).toMatchObject({ seq: 2, kind: 'message', preview: 'newer' })
      await a.accepted([recallOf(a, newer)])
      expect((await a.head(id)).last).toMatchObject({ seq: 2, kind: 'message', preview: '' })
      expect(JSON.stringify(await a.storage.summaries(ann, { limit: 5 }))).not.toContain('newer')
    })

    it('matches by its msgId alone, whoever repeats it', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      const item = a.text(id, 'bob')
      await a.accepted([item])
      const recall = recallOf(a, item)
      const [first] = await a.accepted([recall])
      const [again] = await a.accepted([{ ...recall, fromUserId: 'ann', hash: 'e'.repeat(32) }])
      expect(again).toEqual({ ...first, duplicate: true })
      expect(await readLog(a.storage, id)).toHaveLength(2)
    })

    it('also blanks the edits of its target, and no later edit brings the text back', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['bob'])
      const item = a.text(id, 'bob', 'SECRET')
      const late = editOf(a, item, 'SECRET again')
      await a.accepted([item, editOf(a, item, 'SECRET still')])
      await a.accepted([recallOf(a, item)])
      expect(await a.append([late])).toEqual([expect.objectContaining({ ok: false, code: 'STATE_CONFLICT' })])
      expect(JSON.stringify([await readLog(a.storage, id), await a.head(id)])).not.toContain('SECRET')
    })

    it('works on an entry of its own batch', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['bob'])
      const item = a.text(id, 'bob', 'gone at once')
      await a.accepted([item, recallOf(a, item)])
      expect((await readLog(a.storage, id)).map((entry) => entry.bodyJson)).toEqual(['null', 'null'])
    })
  })

  describe('an edit', () => {
    it('replaces its target’s body and mends the list', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['bob'])
      const item = a.text(id, 'bob', 'teh')
      await a.accepted([item])
      const edit = editOf(a, item, 'the')
      const [result] = await a.accepted([edit], a.storage, current().clock.now() + 5)
      const log = await readLog(a.storage, id)
      expect(log[0]).toMatchObject({ kind: 'message', bodyJson: edit.bodyJson, editedAt: result?.timestamp, msgId: item.msgId })
      expect(log[1]).toMatchObject({ kind: 'edit', bodyJson: edit.bodyJson, target: item.msgId })
      expect((await a.head(id)).last).toMatchObject({ seq: 1, preview: 'the' })
    })

    it('does not change what its target’s msgId answers', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['bob'])
      const item = a.text(id, 'bob', 'teh')
      const [first] = await a.accepted([item])
      await a.accepted([editOf(a, item, 'the')])
      expect(await a.append([item])).toEqual([{ ...first, duplicate: true }])
    })
  })

  it('refuses a target that is not in the conversation', async () => {
    const a = new Arrange(current())
    const [id, other] = [await a.conversation(['bob']), await a.conversation(['bob'])]
    const foreign = a.text(other, 'bob', 'mine')
    await a.accepted([foreign])
    const strays = [recallOf(a, { ...foreign, conversationId: id }), editOf(a, { ...foreign, conversationId: id }, 'x')]
    const unknown = recallOf(a, a.text(id, 'bob'))
    expect((await a.append([...strays, unknown])).map((r) => (r.ok ? 'ok' : r.code))).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'])
    expect((await readLog(a.storage, other))[0]?.bodyJson).toBe(foreign.bodyJson)
    expect((await a.head(id)).headSeq).toBe(0)
  })
}
