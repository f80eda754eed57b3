import type { Cancel, Clock, Ids } from '@innerline/protocol'
import { seededIds, type Random } from './random.js'
import type { Owner, Scheduler, Task } from './scheduler.js'

/** When every history begins; any moment would do. */
export const EPOCH_MS = 1_700_000_000_000

export interface ProcessHabits {
  /** Every timer fires this much late (or, below 0, early, as real ones do by a fraction of a ms). */
  readonly timerSkewMs?: number | undefined
  /** Timers of at least this length fire on such a grid only, as in a page nobody looks at. */
  readonly throttleMs?: number | undefined
}

/** A process of the world: a node, a device's app, or a machine like the database's. It may freeze, and it may end at any step. */
export class Process implements Owner {
  readonly name: string
  readonly tie: number
  readonly clock: Clock
  readonly ids: Ids
  /** By how much its wall clock is off. */
  wallOffsetMs = 0
  readonly #scheduler: Scheduler
  readonly #timers = new Set<Task>()
  readonly #parked: Task[] = []
  readonly #habits: ProcessHabits
  #alive = true
  #frozen = false

  constructor(name: string, scheduler: Scheduler, random: Random, habits: ProcessHabits = {}) {
    this.name = name
    this.tie = random.int(0x7fffffff)
    this.#scheduler = scheduler
    this.#habits = habits
    this.ids = seededIds(random.fork('ids'), () => this.clock.now())
    this.clock = {
      now: () => Math.floor(EPOCH_MS + scheduler.now + this.wallOffsetMs),
      monotonic: () => Math.floor(scheduler.now),
      after: (delayMs, fn) => this.#timer(delayMs, fn),
      soon: (fn) => void this.#scheduler.at(scheduler.now, this, fn),
    }
  }

  get alive(): boolean {
    return this.#alive
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.size
  }

  /** Ends it between two steps: nothing of it runs any more. */
  kill(): void {
    this.#alive = false
    this.#timers.clear()
    this.#parked.length = 0
  }

  /** Stops it, as SIGSTOP or a sleeping machine does; what falls due meanwhile runs when it wakes, in its order. */
  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    for (const task of this.#parked.splice(0)) {
      const { fn } = task
      if (fn === undefined) continue
      const woken = this.#scheduler.at(this.#scheduler.now, this, fn)
      if (!this.#timers.delete(task)) continue
      this.#timers.add(woken)
      // Its cancel knows the old task alone.
      this.#moved.set(task, woken)
    }
  }

  park(task: Task): boolean {
    if (this.#frozen) this.#parked.push(task)
    return this.#frozen
  }

  readonly #moved = new WeakMap<Task, Task>()

  #timer(delayMs: number, fn: () => void): Cancel {
    const { timerSkewMs = 0, throttleMs } = this.#habits
    const { now } = this.#scheduler
    let due = now + Math.max(0, delayMs) + timerSkewMs
    if (throttleMs !== undefined && delayMs > 0) due = Math.ceil(due / throttleMs) * throttleMs
    if (!this.#alive) return () => {}
    let current: Task
    const fire = (): void => {
      this.#timers.delete(this.#newest(current))
      fn()
    }
    current = this.#scheduler.at(Math.max(now, due), this, fire)
    this.#timers.add(current)
    return () => {
      const task = this.#newest(current)
      task.fn = undefined
      this.#timers.delete(task)
    }
  }

  #newest(task: Task): Task {
    let newest = task
    for (let next = this.#moved.get(newest); next !== undefined; next = this.#moved.get(newest)) newest = next
    return newest
  }
}
