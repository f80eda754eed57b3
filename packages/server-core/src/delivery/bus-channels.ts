import type { Bus } from '../ports/index.js'

/** Counts who needs a bus channel; joins with the first, leaves with the last, strictly one after the other per channel. */
export class BusChannels {
  readonly #bus: Pick<Bus, 'join' | 'leave'>
  readonly #channels = new Map<string, { users: number; settled: Promise<void> }>()
  readonly #onError: (error: unknown) => void

  constructor(bus: Pick<Bus, 'join' | 'leave'>, onError: (error: unknown) => void) {
    this.#bus = bus
    this.#onError = onError
  }

  /** Resolves when the channel is joined, or when joining failed: then frames come late, by the feed. */
  retain(channel: string): Promise<void> {
    const found = this.#channels.get(channel)
    if (found !== undefined) {
      found.users++
      if (found.users > 1) return found.settled
      return this.#then(channel, found, () => this.#bus.join(channel))
    }
    const fresh = { users: 1, settled: Promise.resolve() }
    this.#channels.set(channel, fresh)
    return this.#then(channel, fresh, () => this.#bus.join(channel))
  }

  release(channel: string): void {
    const found = this.#channels.get(channel)
    if (found === undefined || --found.users > 0) return
    void this.#then(channel, found, () => this.#bus.leave(channel))
  }

  #then(channel: string, state: { users: number; settled: Promise<void> }, step: () => Promise<void>): Promise<void> {
    state.settled = state.settled.then(step).catch(this.#onError)
    const mine = state.settled
    void mine.then(() => {
      if (state.users === 0 && state.settled === mine && this.#channels.get(channel) === state) this.#channels.delete(channel)
    })
    return mine
  }
}
