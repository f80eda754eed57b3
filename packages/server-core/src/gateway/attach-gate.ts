/** Lets a bounded number of attaches run at once; the rest wait in order. */
export class AttachGate {
  readonly #limit: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // The place is handed on rather than given up, so that nobody who comes in between can take it.
      if (next !== undefined) next()
      else this.#running--
    }
  }
}
