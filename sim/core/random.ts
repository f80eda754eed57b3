import { type Ids, uuidV7 } from '@innerline/protocol'

/** Turns any text into four words of state (FNV-1a, with a different start for each). */
function stateOf(text: string): [number, number, number, number] {
  const words = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35].map((start) => {
    let hash = start
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    return hash >>> 0
  })
  return words as [number, number, number, number]
}

/**
 * Chance from a seed (sfc32). `fork` gives a stream of its own to a part of the world: one more draw there shifts nothing elsewhere, so
 * a seed stays the same story when something is added to one part.
 */
export class Random {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(name: string | number) {
    this.#name = String(name)
    ;[this.#a, this.#b, this.#c, this.#counter] = stateOf(this.#name)
    for (let i = 0; i < 12; i++) this.next()
  }

  fork(name: string): Random {
    return new Random(`${this.#name}/${name}`)
  }

  /** Uniform in [0, 1). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return (sum >>> 0) / 4_294_967_296
  }

  /** Uniform in 0 … below − 1. */
  int(below: number): number {
    return Math.floor(this.next() * below)
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next()
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)] as T
  }

  /** Mostly near `mean`, now and then much later. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next())
  }

  /** One of the keys, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      if (left < 0) return key
    }
    return (entries.at(-1) as [K, number])[0]
  }

  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values]
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.int(i + 1)
      ;[result[i], result[j]] = [result[j] as T, result[i] as T]
    }
    return result
  }
}

/** The Ids port, drawn from a seed. */
export function seededIds(random: Random, now: () => number): Ids {
  const bytes = new Uint8Array(16)
  return {
    random: () => random.next(),
    uuid() {
      for (let i = 6; i < 16; i++) bytes[i] = random.int(256)
      return uuidV7(now(), bytes)
    },
  }
}
