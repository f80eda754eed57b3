import type { Clock } from '../ports/index.js'

/** The machine's clock. Timers do not keep the process alive: the host's server does. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Whole ms: a connection keeps several of these, and a fraction would make each a heap object.
  monotonic: () => Math.trunc(performance.now()),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
  soon(fn) {
    setImmediate(fn)
  },
}
