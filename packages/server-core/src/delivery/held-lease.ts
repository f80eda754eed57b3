import type { Cancel, Clock, Lease, LeaseStorage } from '../ports/index.js'

const RENEW_MS = 3_000

/**
 * A lease kept alive while work of unknown length runs under it. It can still be lost (this process was frozen, the
 * storage cannot be reached); the holder asks before each step.
 */
export class HeldLease {
  readonly lease: Lease
  readonly #storage: Pick<LeaseStorage, 'acquireLease'>
  readonly #clock: Clock
  readonly #ttlMs: number
  #renewedAt: number
  #lost = false
  #cancel: Cancel | undefined

  private constructor(storage: Pick<LeaseStorage, 'acquireLease'>, clock: Clock, ttlMs: number, lease: Lease, askedAt: number) {
    this.lease = lease
    this.#storage = storage
    this.#clock = clock
    this.#ttlMs = ttlMs
    this.#renewedAt = askedAt
    this.#schedule()
  }

  /** Takes the lease; undefined while another holder has it. Rejects as Storage does. */
  static async take(
    storage: Pick<LeaseStorage, 'acquireLease'>,
    clock: Clock,
    request: { readonly name: string; readonly holder: string; readonly ttlMs: number },
  ): Promise<HeldLease | undefined> {
    const askedAt = clock.monotonic()
    const lease = await storage.acquireLease(request)
    return lease && new HeldLease(storage, clock, request.ttlMs, lease, askedAt)
  }

  /** Whether it is surely still held. Counted from before the last renewal was asked for, so never too long. */
  get isHeld(): boolean {
    return !this.#lost && this.#clock.monotonic() - this.#renewedAt < this.#ttlMs
  }

  /** Ends the renewals; the lease itself runs on until it is given back or expires. */
  end(): void {
    this.#lost = true
    this.#cancel?.()
  }

  #schedule(): void {
    this.#cancel = this.#clock.after(RENEW_MS, () => {
      void this.#renew().then(() => {
        if (!this.#lost) this.#schedule()
      })
    })
  }

  async #renew(): Promise<void> {
    const askedAt = this.#clock.monotonic()
    const { name, holder, fence } = this.lease
    try {
      const renewed = await this.#storage.acquireLease({ name, holder, ttlMs: this.#ttlMs })
      if (renewed?.fence === fence) this.#renewedAt = askedAt
      else this.#lost = true
    } catch {
      // Not lost yet: it counts until its time is over, and is asked for again before that.
    }
  }
}
