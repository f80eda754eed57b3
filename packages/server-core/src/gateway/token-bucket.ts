/** A bucket of `burst` tokens refilled at `perSecond`; the clock comes with each call. */
export class TokenBucket {
  #tokens: number
  #at: number

  constructor(burst: number, now: number) {
    this.#tokens = burst
    this.#at = now
  }

  /** Takes `count` tokens; false, and none taken, when there are not as many. `now` is monotonic ms. */
  take(perSecond: number, burst: number, now: number, count = 1): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1_000)
    this.#at = now
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }
}
