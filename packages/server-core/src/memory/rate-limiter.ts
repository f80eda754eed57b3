import type { Clock } from '@innerline/protocol'
import type { RateLimiter } from '../ports/rate-limiter.js'

const SWEEP_MS = 10_000

interface Bucket {
  tokens: number
  /** Monotonic time `tokens` is of. */
  at: number
  /** When the bucket is full again, and so the same as none. */
  fullAt: number
}

export interface MemoryRateLimiterOptions {
  readonly clock: Clock
  /** Buckets kept at most; beyond it the longest known is forgotten. @default 100000 */
  readonly maxBuckets?: number | undefined
}

/** A {@link RateLimiter} of this node alone; answers at once. */
export function memoryRateLimiter({ clock, maxBuckets = 100_000 }: MemoryRateLimiterOptions): RateLimiter {
  const buckets = new Map<string, Bucket>()
  let sweepAt = 0

  const sweep = (now: number): void => {
    for (const [key, bucket] of buckets) if (bucket.fullAt <= now) buckets.delete(key)
    sweepAt = now + SWEEP_MS
  }

  return {
    take(key, { perSecond, burst }) {
      const now = clock.monotonic()
      if (now >= sweepAt) sweep(now)
      let bucket = buckets.get(key)
      if (bucket === undefined) {
        if (buckets.size >= maxBuckets) buckets.delete(buckets.keys().next().value as string)
        bucket = { tokens: burst, at: now, fullAt: now }
        buckets.set(key, bucket)
      }
      bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1_000)
      bucket.at = now
      // Rates like 1/3 do not add up to whole tokens in floating point; a caller that waited as told must get one.
      if (bucket.tokens < 1 - 1e-9) return { ok: false, retryAfterMs: Math.ceil(((1 - bucket.tokens) * 1_000) / perSecond) }
      bucket.tokens -= 1
      bucket.fullAt = now + ((burst - bucket.tokens) * 1_000) / perSecond
      return { ok: true }
    },
    async close() {
      buckets.clear()
    },
  }
}
