import type { LeaseStorage } from '../ports/storage.js'
import { assertOpen, type MemoryContext } from './context.js'

/** Leases on the storage's monotonic clock, and dead letters. */
export function leaseStorage(context: MemoryContext): LeaseStorage {
  const { data, clock } = context
  return {
    async acquireLease({ name, holder, ttlMs }) {
      assertOpen(context)
      const now = clock.monotonic()
      const row = data.leases.get(name)
      if (row !== undefined && row.holder !== holder && row.expiresAt > now) return undefined
      const fence = row === undefined ? 1 : row.holder === holder ? row.fence : row.fence + 1
      data.leases.set(name, { name, holder, fence, expiresAt: now + ttlMs })
      return { name, holder, fence }
    },
    async releaseLease(lease) {
      assertOpen(context)
      const row = data.leases.get(lease.name)
      if (row === undefined || row.holder !== lease.holder || row.fence !== lease.fence) return
      // The row stays for its fence: the next holder must get a higher one.
      data.leases.set(lease.name, { name: lease.name, holder: '', fence: lease.fence, expiresAt: 0 })
    },
    async putDeadLetter(letter) {
      assertOpen(context)
      const { group, key, recordJson, error } = letter
      data.deadLetters.push({ id: data.deadLetters.length + 1, at: clock.now(), group, key, recordJson, error })
    },
    async listDeadLetters(limit) {
      assertOpen(context)
      return data.deadLetters
        .slice(-limit)
        .reverse()
        .map((letter) => ({ ...letter }))
    },
  }
}
