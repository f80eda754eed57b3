import type { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import type { Scheduler } from '../core/scheduler.js'

/** How a network behaves; all times in ms. */
export interface Conditions {
  /** Mean delay of a packet. */
  delayMs: number
  /** Bytes that fit into the kernels' buffers: what is beyond waits in the sender. */
  windowBytes: number
}

interface Packet {
  readonly bytes: number
  readonly arrive: () => void
}

/**
 * One direction of a connection: in order, delayed, and either flowing, stalled (its reader takes nothing) or cut (whatever is sent is
 * gone and nobody is told).
 */
export class Pipe {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #conditions: Conditions
  readonly #to: Process
  #queue: Packet[] = []
  #bytes = 0
  #lastAt = 0
  #stalled = false
  #cut = false
  #onDrained: (() => void)[] = []

  constructor(scheduler: Scheduler, random: Random, conditions: Conditions, to: Process) {
    this.#scheduler = scheduler
    this.#random = random
    this.#conditions = conditions
    this.#to = to
  }

  /** What the sender still holds, as no kernel has room for it. */
  get bufferedBytes(): number {
    return Math.max(0, this.#bytes - this.#conditions.windowBytes)
  }

  get isStalled(): boolean {
    return this.#stalled
  }

  /** `arrive` runs in the receiver's process. */
  send(bytes: number, arrive: () => void): void {
    this.#bytes += bytes
    const packet = { bytes, arrive }
    this.#queue.push(packet)
    if (!this.#stalled) this.#schedule(packet)
  }

  whenDrained(fn: () => void): void {
    if (this.bufferedBytes === 0) fn()
    else this.#onDrained.push(fn)
  }

  stall(): void {
    if (this.#stalled) return
    this.#stalled = true
    // Those under way wait with the rest; their tasks find themselves not first any more.
    this.#queue = this.#queue.map((packet) => ({ ...packet }))
  }

  flow(): void {
    if (!this.#stalled) return
    this.#stalled = false
    for (const packet of this.#queue) this.#schedule(packet)
  }

  cut(): void {
    this.#cut = true
  }

  /** Forgets what is under way. */
  clear(): void {
    this.#queue = []
    this.#bytes = 0
    this.#onDrained = []
  }

  #schedule(packet: Packet): void {
    const delay = this.#random.exponential(this.#conditions.delayMs)
    this.#lastAt = Math.max(this.#lastAt, this.#scheduler.now + delay)
    this.#scheduler.at(this.#lastAt, this.#to, () => {
      if (this.#cut || this.#queue[0] !== packet) return
      this.#queue.shift()
      this.#bytes -= packet.bytes
      packet.arrive()
      if (this.bufferedBytes > 0) return
      for (const fn of this.#onDrained.splice(0)) fn()
    })
  }
}
