/** A bucket of `burst` tokens refilled at `perSecond`; the clock comes with each call. */
export class TokenBucket {
  #tokens: number
  #at: number

  constructor(burst: number, now: number) {
    this.#tokens = burst
    this.#at = now
  }

  /** Takes one token; false when there is none. `now` is monotonic ms. */
  take(perSecond: number, burst: number, now: number): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1_000)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
