/** Stops what it was returned for; calling it again does nothing. */
export type Cancel = () => void

/** Time comes in from outside, so that tests and the simulator own it. */
export interface Clock {
  /** Epoch ms. May step backwards; never used as an order. */
  now(): number
  /** Monotonic ms from an arbitrary start, for durations and deadlines. */
  monotonic(): number
  /** Calls `fn` once after `delayMs`. */
  after(delayMs: number, fn: () => void): Cancel
  /** Calls `fn` once when the current event-loop turn has ended. */
  soon(fn: () => void): void
}

/** Chance comes in from outside. */
export interface Ids {
  /** A UUID version 7: unique, time-ordered. */
  uuid(): string
  /** Uniform in [0, 1), for jitter. */
  random(): number
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * Formats a UUID version 7 (RFC 9562 §5.7) from `now` (epoch ms) and 16 random bytes, of which the last 10 are used.
 * Pure: the caller brings time and chance.
 */
export function uuidV7(now: number, random: Uint8Array): string {
  const b = (index: number): string => hex[random[index] ?? 0] as string
  const time = Math.floor(now).toString(16).padStart(12, '0')
  const versioned = hex[((random[6] ?? 0) & 0x0f) | 0x70] as string
  const variant = hex[((random[8] ?? 0) & 0x3f) | 0x80] as string
  return `${time.slice(0, 8)}-${time.slice(8)}-${versioned}${b(7)}-${variant}${b(9)}-${b(10)}${b(11)}${b(12)}${b(13)}${b(14)}${b(15)}`
}
