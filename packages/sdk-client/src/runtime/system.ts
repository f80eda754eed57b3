import { type Clock, type Ids, uuidV7 } from '@innerline/protocol'

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs)
    return () => clearTimeout(timer)
  },
  soon(fn) {
    setTimeout(fn, 0)
  },
}

/** The machine's own chance. `getRandomValues` because `randomUUID` is missing on plain-http pages. */
export const systemIds: Ids = {
  uuid: () => uuidV7(Date.now(), crypto.getRandomValues(new Uint8Array(16))),
  random: () => Math.random(),
}
