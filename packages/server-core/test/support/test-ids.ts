import { uuidV7, type Ids } from '@innerline/protocol'

/** The same ids and the same chance for the same seed. */
export class TestIds implements Ids {
  #state: number
  #time = 1_700_000_000_000

  constructor(seed = 1) {
    this.#state = seed >>> 0
  }

  uuid(): string {
    return uuidV7(
      this.#time++,
      Uint8Array.from({ length: 16 }, () => Math.floor(this.random() * 256)),
    )
  }

  /** Mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
