import { type Clock, type Ids, uuidV7 } from '@innerline/protocol'

interface Timer {
  readonly at: number
  readonly number: number
  readonly fn: () => void
}

/** Real timers may fire a fraction of a ms before the clock says so; code that compares times has to live with it. */
const EARLY_MS = 0.4

/** Lets everything run that is ready to run: promises, and what they put on them. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** A clock that only moves when told to. */
export class VirtualClock implements Clock {
  private time = 1_700_000_000_000
  private steady = 0
  private number = 0
  private timers: Timer[] = []

  now = () => this.time
  monotonic = () => this.steady
  after = (delayMs: number, fn: () => void) => {
    const timer = { at: this.steady + Math.max(0, delayMs - EARLY_MS), number: this.number++, fn }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter((other) => other !== timer)
    }
  }
  soon = (fn: () => void) => {
    this.after(0, fn)
  }
  /** Timers that wait. */
  get pending(): number {
    return this.timers.length
  }
  /** The wall clock alone jumps, as in sleep or when it is set. */
  jump(ms: number): void {
    this.time += ms
  }
  /** Moves on, firing what becomes due in order, everything ready in between. */
  async advance(ms: number): Promise<void> {
    await settle()
    const end = this.steady + ms
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.number - b.number)[0]
      if (!next) break
      this.timers = this.timers.filter((timer) => timer !== next)
      this.time += Math.max(0, next.at - this.steady)
      this.steady = Math.max(this.steady, next.at)
      next.fn()
      await settle()
    }
    this.time += end - this.steady
    this.steady = end
  }
}

/** Chance from a seed. */
export function seededIds(seed = 1): Ids & { next(): number } {
  let state = seed >>> 0
  const next = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  let time = 1_700_000_000_000
  return {
    next,
    random: next,
    uuid: () =>
      uuidV7(
        time++,
        Uint8Array.from({ length: 16 }, () => Math.floor(next() * 256)),
      ),
  }
}
