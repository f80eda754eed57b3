import type { Scheduler } from './scheduler.js'

/** Where the story of a history goes, one line per happening. Off unless somebody reads it, as making lines costs more than running. */
export class Trace {
  readonly #scheduler: Scheduler
  readonly #sink: ((line: string) => void) | undefined

  constructor(scheduler: Scheduler, sink: ((line: string) => void) | undefined) {
    this.#scheduler = scheduler
    this.#sink = sink
  }

  get on(): boolean {
    return this.#sink !== undefined
  }

  /** `tell` is called only when somebody reads. */
  line(actor: string, tell: () => string): void {
    if (this.#sink === undefined) return
    const seconds = (this.#scheduler.now / 1_000).toFixed(3).padStart(9)
    this.#sink(`${seconds}  ${actor.padEnd(12)} ${tell()}`)
  }
}
