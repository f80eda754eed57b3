/** A bucket of `burst` tokens refilled at `perSecond`; the clock comes with each call. */
export class TokenBucket {
  #tokens: number
  #at: number
  #credit = 0

  constructor(burst: number, now: number) {
    this.#tokens = burst
    this.#at = now
  }

  /** Allows `tokens` more, once: what piled up while the taker was held back is not its haste. */
  credit(tokens: number): void {
    this.#credit += tokens
  }

  /** Takes `count` tokens; false, and none taken, when there are not as many. `now` is monotonic ms. */
  take(perSecond: number, burst: number, now: number, count = 1): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1_000)
    this.#at = now
    const fromCredit = Math.max(0, count - Math.floor(this.#tokens))
    if (fromCredit > this.#credit) return false
    this.#credit -= fromCredit
    this.#tokens -= count - fromCredit
    return true
  }
}
