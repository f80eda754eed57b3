import { expect } from 'vitest'
import type { Harness } from './harness.js'

const POLL_MS = 20

/** Polls until `check` passes; after `withinMs` on the harness's clock rejects with its last failure. */
export async function eventually(harness: Harness, check: () => void | Promise<void>, withinMs = 5_000): Promise<void> {
  const deadline = harness.clock.monotonic() + withinMs
  for (;;) {
    try {
      return await check()
    } catch (failure) {
      if (harness.clock.monotonic() >= deadline) throw failure
    }
    await harness.advance(POLL_MS)
  }
}

/** Collects what a receiver was given, and fails on too much as loudly as on too little. */
export class Received<T> {
  readonly all: T[] = []
  readonly #harness: Harness

  constructor(harness: Harness) {
    this.#harness = harness
  }

  readonly push = (value: T): void => {
    this.all.push(value)
  }

  /** Resolves when exactly `n` have come and, after a further while, still no more. */
  async times(n: number, { withinMs = 5_000, quietMs = 200 } = {}): Promise<readonly T[]> {
    await eventually(this.#harness, () => expect(this.all.length, `received ${render(this.all)}`).toBeGreaterThanOrEqual(n), withinMs)
    await this.#harness.advance(quietMs)
    expect(this.all.length, `received ${render(this.all)}`).toBe(n)
    return this.all
  }
}

const render = (values: readonly unknown[]): string => JSON.stringify(values)?.slice(0, 500) ?? ''

/** Seeded chance for model cases, so that a failure can be run again (mulberry32). */
export function seeded(seed: number): { below(n: number): number; pick<T>(from: readonly T[]): T; shuffled<T>(values: readonly T[]): T[] } {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    below,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
    shuffled(values) {
      const copy = [...values]
      for (let i = copy.length - 1; i > 0; i--) {
        const j = below(i + 1)
        const held = copy[i] as (typeof copy)[number]
        copy[i] = copy[j] as (typeof copy)[number]
        copy[j] = held
      }
      return copy
    },
  }
}
