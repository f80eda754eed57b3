/** Token buckets by key. Answers at once from memory or later from a shared place; never rejects (it fails open). */
export interface RateLimiter {
  take(key: string, rule: RateRule): RateDecision | Promise<RateDecision>
  close(): Promise<void>
}

export interface RateRule {
  readonly perSecond: number
  /** Bucket size: how many may come at once. */
  readonly burst: number
}

export type RateDecision = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number }
