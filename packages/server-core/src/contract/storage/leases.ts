import { describe, expect, it } from 'vitest'
import type { Current, StorageHarness } from '../harness.js'

export function leaseCases(current: Current<StorageHarness>): void {
  const TTL = 500

  describe('leases', () => {
    it('have one holder; another gets it after the end, with a higher fence', async () => {
      const h = current()
      const other = await h.second()
      const name = h.ids.uuid()
      const first = await h.storage.acquireLease({ name, holder: 'a', ttlMs: TTL })
      expect(first).toEqual({ name, holder: 'a', fence: expect.any(Number) })
      expect(await other.acquireLease({ name, holder: 'b', ttlMs: TTL })).toBeUndefined()
      await h.advance(TTL + 50)
      const second = await other.acquireLease({ name, holder: 'b', ttlMs: TTL })
      expect(second?.fence).toBeGreaterThan(first?.fence ?? Number.NaN)
      expect(await h.storage.acquireLease({ name, holder: 'a', ttlMs: TTL })).toBeUndefined()
    })

    it('are renewed by their holder under the same fence', async () => {
      const h = current()
      const name = h.ids.uuid()
      const first = await h.storage.acquireLease({ name, holder: 'a', ttlMs: TTL })
      for (let i = 0; i < 3; i++) {
        await h.advance(TTL * 0.6)
        expect(await h.storage.acquireLease({ name, holder: 'a', ttlMs: TTL })).toEqual(first)
      }
      expect(await h.storage.acquireLease({ name, holder: 'b', ttlMs: TTL }), 'renewal counts from its own time').toBeUndefined()
    })

    it('are free at once when given back, and the fence still rises', async () => {
      const h = current()
      const name = h.ids.uuid()
      const fences: number[] = []
      for (const holder of ['a', 'b', 'a', 'c']) {
        const lease = await h.storage.acquireLease({ name, holder, ttlMs: 60_000 })
        if (lease === undefined) throw new Error('The lease was given back.')
        fences.push(lease.fence)
        await h.storage.releaseLease(lease)
      }
      expect(fences).toEqual([...new Set(fences)].sort((x, y) => x - y))
    })

    it('are not given back by who lost them', async () => {
      const h = current()
      const name = h.ids.uuid()
      const old = await h.storage.acquireLease({ name, holder: 'a', ttlMs: TTL })
      await h.advance(TTL + 50)
      await h.storage.acquireLease({ name, holder: 'b', ttlMs: 60_000 })
      if (old !== undefined) await h.storage.releaseLease(old)
      await h.storage.releaseLease({ name: h.ids.uuid(), holder: 'a', fence: 1 })
      expect(await h.storage.acquireLease({ name, holder: 'c', ttlMs: TTL })).toBeUndefined()
    })

    it('go to one of many who ask at once', async () => {
      const h = current()
      const nodes = [h.storage, await h.second()]
      const name = h.ids.uuid()
      for (let round = 0; round < 3; round++) {
        const asked = await Promise.all(
          Array.from({ length: 8 }, (_, i) => nodes[i % 2]?.acquireLease({ name, holder: `holder-${i}`, ttlMs: 60_000 })),
        )
        const won = asked.filter((lease) => lease !== undefined)
        expect(won).toHaveLength(1)
        await h.storage.releaseLease(won[0] as NonNullable<(typeof won)[number]>)
      }
    })

    it('of different names do not meet', async () => {
      const h = current()
      const tail = h.ids.uuid().slice(24)
      for (const name of [`job-${tail}`, `Job-${tail}`, `job-${tail}2`]) {
        expect(await h.storage.acquireLease({ name, holder: name, ttlMs: 60_000 })).toBeDefined()
      }
    })
  })

  describe('dead letters', () => {
    it('are kept and listed, newest first', async () => {
      const h = current()
      const group = h.ids.uuid()
      const letter = (n: number) => ({ group, key: `key ${n}`, recordJson: `{"n":${n},"s":"'\\u0000😀"}`, error: `Error: "${n}" 😀` })
      for (let n = 1; n <= 3; n++) await h.storage.putDeadLetter(letter(n))
      const listed = (await h.storage.listDeadLetters(100)).filter((one) => one.group === group)
      expect(listed).toEqual([3, 2, 1].map((n) => ({ ...letter(n), id: expect.any(Number), at: expect.any(Number) })))
      expect(new Set(listed.map((one) => one.id)).size).toBe(3)
      expect(await h.storage.listDeadLetters(2)).toHaveLength(2)
    })
  })
}
