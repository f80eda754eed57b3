import type { Cancel, Clock } from '@innerline/protocol'

interface Timer {
  readonly dueAt: number
  readonly order: number
  readonly fn: () => void
}

/**
 * Time that moves only when a test says so. Timers fire in order of their due time, equal ones in order of creation.
 * `outside` tells what this process waits for that takes real time, such as a database: no timer fires before it has
 * ended, so that virtual time is as exact there as in memory.
 */
export class TestClock implements Clock {
  #wall: number
  #monotonic = 0
  #order = 0
  readonly #timers = new Set<Timer>()
  readonly #outside: () => Promise<unknown> | undefined

  constructor(startMs = 1_700_000_000_000, outside: () => Promise<unknown> | undefined = () => undefined) {
    this.#wall = startMs
    this.#outside = outside
  }

  now(): number {
    return Math.floor(this.#wall)
  }

  monotonic(): number {
    return this.#monotonic
  }

  after(delayMs: number, fn: () => void): Cancel {
    const timer = { dueAt: this.#monotonic + Math.max(0, delayMs), order: this.#order++, fn }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  soon(fn: () => void): void {
    setImmediate(fn)
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size
  }

  /** Moves both clocks forward, firing what falls due on the way; what a timer starts has settled before the next fires. */
  async advance(ms: number): Promise<void> {
    const until = this.#monotonic + ms
    await this.settle()
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#timers.delete(timer)
      this.#moveTo(Math.max(this.#monotonic, timer.dueAt))
      timer.fn()
      await this.settle()
    }
    this.#moveTo(until)
  }

  /** Steps the wall clock alone, as an administrator or NTP does. */
  step(ms: number): void {
    this.#wall += ms
  }

  /** Lets promises and `soon` callbacks run, and what is waited for outside end. */
  async settle(): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      const running = this.#outside()
      if (running === undefined) return
      await running
    }
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.dueAt > until) continue
      if (next === undefined || timer.dueAt < next.dueAt || (timer.dueAt === next.dueAt && timer.order < next.order)) next = timer
    }
    return next
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic
    this.#monotonic = monotonic
  }
}
