import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'
import type { Entry, Storage } from '../types.js'

const whole = { from: 1, to: Number.MAX_SAFE_INTEGER, limit: 1_000, maxBytes: 1 << 20 } as const

export function readingCases(current: Current<StorageHarness>): void {
  describe('readMessages', () => {
    it('reads a range ascending from either end, and says whether there is more', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 10)
      const read = async (from: number, to: number, direction: 'forward' | 'backward', limit: number): Promise<unknown> => {
        const slice = await a.storage.readMessages({ conversationId: id, from, to, direction, limit, maxBytes: 1 << 20 })
        return [slice.entries.map((entry) => entry.seq), slice.more]
      }
      expect(await read(3, 6, 'forward', 10)).toEqual([[3, 4, 5, 6], false])
      expect(await read(3, 6, 'backward', 10)).toEqual([[3, 4, 5, 6], false])
      expect(await read(3, 6, 'forward', 2)).toEqual([[3, 4], true])
      expect(await read(3, 6, 'backward', 2)).toEqual([[5, 6], true])
      expect(await read(3, 6, 'forward', 4)).toEqual([[3, 4, 5, 6], false])
      expect(await read(3, 6, 'backward', 4)).toEqual([[3, 4, 5, 6], false])
      expect(await read(0, 2, 'forward', 10)).toEqual([[1, 2], false])
      expect(await read(9, 99, 'forward', 10)).toEqual([[9, 10], false])
      expect(await read(1, Number.MAX_SAFE_INTEGER, 'backward', 1)).toEqual([[10], true])
      expect(await read(11, 99, 'forward', 10)).toEqual([[], false])
      expect(await read(6, 3, 'forward', 10)).toEqual([[], false])
    })

    it('gives an unknown conversation no entries', async () => {
      const { storage } = current()
      expect(await storage.readMessages({ conversationId: 'g~none', direction: 'forward', ...whole })).toEqual({ entries: [], more: false })
      expect(await storage.lastSeqBefore('g~none', Number.MAX_SAFE_INTEGER)).toBe(0)
    })

    it.each(['forward', 'backward'] as const)('ends a %s page near maxBytes, with at least one entry', async (direction) => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await a.accepted(Array.from({ length: 12 }, (_, i) => a.text(id, 'ann', String.fromCharCode(97 + i).repeat(10_000))))
      const seqs: number[] = []
      let [from, to, more] = [1, Number.MAX_SAFE_INTEGER, true]
      while (more) {
        const page = await a.storage.readMessages({ conversationId: id, from, to, direction, limit: 100, maxBytes: 32_000 })
        expect(page.entries.length).toBeGreaterThanOrEqual(1)
        expect(page.entries.length, 'three bodies of 10 kB fill 32 kB').toBeLessThanOrEqual(4)
        seqs.push(...page.entries.map((entry) => entry.seq))
        if (direction === 'forward') from = (page.entries.at(-1)?.seq ?? 0) + 1
        else to = (page.entries[0]?.seq ?? 0) - 1
        more = page.more
      }
      expect(seqs.sort((x, y) => x - y)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
      const tiny = await a.storage.readMessages({ ...whole, conversationId: id, direction, maxBytes: 1 })
      expect([tiny.entries.map((entry) => entry.seq), tiny.more]).toEqual([[direction === 'forward' ? 1 : 12], true])
    })

    it.each(['forward', 'backward'] as const)(
      'pages %s through 100 entries of one millisecond without repeat or loss',
      async (direction) => {
        const a = new Arrange(current())
        const id = await a.conversation(['ann'])
        await a.texts(id, 'ann', 100)
        const pages = await pageThrough(a.storage, id, direction, 3)
        expect(new Set(pages.map((entry) => entry.timestamp)).size).toBe(1)
        expect(pages.map((entry) => entry.seq).sort((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
      },
    )

    it('pages stably while others write', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 30)
      const backward = await pageThrough(a.storage, id, 'backward', 4, () => a.texts(id, 'ann', 2))
      expect(backward.map((entry) => entry.seq).sort((x, y) => x - y)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
      const forward = await pageThrough(a.storage, id, 'forward', 7, () => a.texts(id, 'ann', 1))
      expect(forward.map((entry) => entry.seq)).toEqual(Array.from({ length: forward.length }, (_, i) => i + 1))
    })

    it('shows at once, on every node, what an append has answered', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const id = await a.conversation(['ann'])
      for (let i = 1; i <= 5; i++) {
        await a.accepted([a.text(id, 'ann')])
        expect((await readLog(other, id)).length).toBe(i)
      }
    })

    it('hands out copies', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const mentions = ['bob']
      const item = a.text(id, 'ann', 'hello', { mentions })
      await a.accepted([item])
      mentions.push('eve')
      const read = async (): Promise<Entry | undefined> =>
        (await a.storage.readMessages({ conversationId: id, direction: 'forward', ...whole })).entries[0]
      const before = structuredClone(await read())
      for (const held of [await read(), await a.storage.findEntry(item.msgId), await a.head(id), await a.member(id, 'ann')]) {
        for (const key of Object.keys(held ?? {})) Reflect.set(held as object, key, 'spoilt')
      }
      expect(await read()).toEqual(before)
      expect(before?.mentions).toEqual(['bob'])
      expect((await a.head(id)).headSeq).toBe(1)
      expect((await a.member(id, 'ann')).userId).toBe('ann')
    })
  })

  describe('findEntry and lastSeqBefore', () => {
    it('finds an entry by its id', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'ann')
      expect(await a.storage.findEntry(item.msgId)).toBeUndefined()
      await a.accepted([item])
      const [entry] = await readLog(a.storage, id)
      expect(await a.storage.findEntry(item.msgId)).toEqual(entry)
    })

    it('finds where a time falls in the log', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const start = current().clock.now() + 1_000
      for (const at of [0, 0, 10, 10, 10, 30]) await a.accepted([a.text(id, 'ann')], a.storage, start + at)
      const before = await Promise.all([-1, 0, 1, 10, 11, 30, 31].map((at) => a.storage.lastSeqBefore(id, start + at)))
      expect(before).toEqual([0, 0, 2, 2, 5, 5, 6])
    })
  })
}

async function pageThrough(
  storage: Storage,
  conversationId: string,
  direction: 'forward' | 'backward',
  limit: number,
  between?: () => Promise<unknown>,
): Promise<Entry[]> {
  const read: Entry[] = []
  let [from, to] = [1, Number.MAX_SAFE_INTEGER]
  for (let page = 0; page < 200; page++) {
    const slice = await storage.readMessages({ conversationId, from, to, direction, limit, maxBytes: 1 << 20 })
    read.push(...slice.entries)
    if (!slice.more) return read
    if (direction === 'forward') from = (slice.entries.at(-1)?.seq ?? 0) + 1
    else to = (slice.entries[0]?.seq ?? 0) - 1
    // Forward, the writer must stop one day for the reader to end.
    if (page < 20) await between?.()
  }
  return expect.fail('paging does not end')
}
