import type { Clock } from '@innerline/protocol'
import type { UnreadBadges, UnreadCounts } from '../ports/unread-badges.js'

const FRESH_MS = 15_000

export interface MemoryUnreadBadgesOptions {
  readonly clock: Clock
  /** Users kept at most; beyond it the oldest counts are forgotten. @default 10000 */
  readonly maxUsers?: number | undefined
}

/** {@link UnreadBadges} of this node alone. */
export function memoryUnreadBadges({ clock, maxUsers = 10_000 }: MemoryUnreadBadgesOptions): UnreadBadges {
  const kept = new Map<string, { readonly counts: UnreadCounts; readonly staleAt: number }>()
  const copyOf = (counts: UnreadCounts): UnreadCounts => ({ total: counts.total, byConversation: { ...counts.byConversation } })
  return {
    async get(userId) {
      const known = kept.get(userId)
      if (known === undefined) return undefined
      if (known.staleAt > clock.monotonic()) return copyOf(known.counts)
      kept.delete(userId)
      return undefined
    },
    async put(userId, counts) {
      kept.delete(userId)
      kept.set(userId, { counts: copyOf(counts), staleAt: clock.monotonic() + FRESH_MS })
      if (kept.size > maxUsers) kept.delete(kept.keys().next().value as string)
    },
    async invalidate(userId) {
      kept.delete(userId)
    },
    async close() {
      kept.clear()
    },
  }
}
