import { ImError } from '@innerline/protocol'

export interface HashGateOptions {
  /** Tasks at once. */
  readonly running: number
  /** Tasks that may wait. */
  readonly waiting: number
}

/**
 * Bounds work that costs memory and a thread each, so that a flood of sign-ins slows sign-ins alone. First come, first
 * served.
 */
export class HashGate {
  readonly #options: HashGateOptions
  readonly #queue: (() => void)[] = []
  #running = 0

  constructor(options: HashGateOptions) {
    this.#options = options
  }

  /** Settles as the task does. Rejects `BUSY` at once when too many wait. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.running) this.#running++
    else await this.#turn()
    try {
      return await task()
    } finally {
      const next = this.#queue.shift()
      // The place is handed on, not given back: a newcomer must not take it from who waits.
      if (next === undefined) this.#running--
      else next()
    }
  }

  #turn(): Promise<void> {
    if (this.#queue.length >= this.#options.waiting) {
      return Promise.reject(new ImError('BUSY', { detail: 'Too many people are signing in.', retryAfterMs: 1_000 }))
    }
    return new Promise((resolve) => {
      this.#queue.push(resolve)
    })
  }
}
