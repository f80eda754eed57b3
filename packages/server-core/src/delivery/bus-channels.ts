import type { Bus, Clock } from '../ports/index.js'

/** How long a join may keep an attach waiting. */
const JOIN_WAIT_MS = 1_000

interface Channel {
  users: number
  /** Ends when the last join or leave asked for has ended. */
  settled: Promise<void>
  /** What that was is done. */
  done: boolean
}

/** Counts who needs a bus channel; joins with the first, leaves with the last, strictly one after the other per channel. */
export class BusChannels {
  readonly #bus: Pick<Bus, 'join' | 'leave'>
  readonly #clock: Clock
  readonly #channels = new Map<string, Channel>()
  readonly #onError: (error: unknown) => void

  constructor(bus: Pick<Bus, 'join' | 'leave'>, clock: Clock, onError: (error: unknown) => void) {
    this.#bus = bus
    this.#clock = clock
    this.#onError = onError
  }

  /** Channels that are joined, being joined or being left. */
  get size(): number {
    return this.#channels.size
  }

  /**
   * Resolves when the channel is joined, when joining failed, or when it takes more than a second: then frames come late,
   * by the feed, but a bus that hangs keeps nobody out.
   */
  retain(channel: string): Promise<void> {
    let state = this.#channels.get(channel)
    if (state === undefined) {
      state = { users: 0, settled: Promise.resolve(), done: true }
      this.#channels.set(channel, state)
    }
    if (++state.users === 1) this.#then(channel, state, () => this.#bus.join(channel))
    return state.done ? state.settled : this.#within(state.settled)
  }

  release(channel: string): void {
    const state = this.#channels.get(channel)
    if (state === undefined || --state.users > 0) return
    this.#then(channel, state, () => this.#bus.leave(channel))
  }

  #then(channel: string, state: Channel, step: () => Promise<void>): void {
    const mine = state.settled.then(step).catch(this.#onError)
    state.settled = mine
    state.done = false
    void mine.then(() => {
      if (state.settled !== mine) return
      state.done = true
      if (state.users === 0) this.#channels.delete(channel)
    })
  }

  #within(settled: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(JOIN_WAIT_MS, resolve)
      void settled.then(() => {
        cancel()
        resolve()
      })
    })
  }
}
