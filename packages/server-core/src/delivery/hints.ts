import type { SessionEvent } from '@innerline/protocol'
import { userChannel } from '../domain/change.js'
import type { Bus, Clock } from '../ports/index.js'
import { encodeHint, type Hint } from './bus-frames.js'
import type { MemberIndex } from './member-index.js'

type WithoutTime<T> = T extends unknown ? Omit<T, 'at'> : never

/** A session event before the server has put its time on it. */
export type NewSessionEvent = WithoutTime<SessionEvent>

/** Happenings that change nothing durable: best effort, the latest of a key wins, each with a REST resource behind it. */
export class Hints {
  readonly #index: MemberIndex
  readonly #bus: Bus
  readonly #clock: Clock
  readonly #epoch: () => number

  constructor(index: MemberIndex, bus: Bus, clock: Clock, epoch: () => number) {
    this.#index = index
    this.#bus = bus
    this.#clock = clock
    this.#epoch = epoch
  }

  /** Tells every connection of a user, on all nodes. `key` names what a later event replaces. */
  send(userId: string, key: string, event: NewSessionEvent): void {
    const hint: Hint = { userId, key, json: JSON.stringify({ ...event, at: this.#clock.now() }) }
    this.receive(hint)
    if (this.#bus.alone !== true) this.#bus.publish(userChannel(userId), encodeHint(hint, this.#epoch()))
  }

  /** A hint of another node. */
  receive(hint: Hint): void {
    for (const subscriber of this.#index.subscribers(hint.userId)) subscriber.hint(hint.key, hint.json)
  }
}
