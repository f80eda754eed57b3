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

/**
 * Formats a UUID version 7 (RFC 9562 §5.7) from `now` (epoch ms) and 16 random bytes, of which the last 10 are used.
 * Pure: the caller brings time and chance.
 */
export function uuidV7(now: number, random: Uint8Array): string {
  const time = Math.floor(now).toString(16).padStart(12, '0')
  // Version and variant take the first bits of bytes 6 and 8.
  const byteAt = (byte: number, index: number) => (index === 0 ? (byte & 0x0f) | 0x70 : index === 2 ? (byte & 0x3f) | 0x80 : byte)
  const chance = Array.from(random.subarray(6), (byte, index) => byteAt(byte, index).toString(16).padStart(2, '0'))
  return (time + chance.join('')).replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
