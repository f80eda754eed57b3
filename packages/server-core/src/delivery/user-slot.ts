import type { Summary } from '@innerline/protocol'
import type { ConversationEntry } from './conversation-entry.js'
import type { LiveMessage } from './live-message.js'

/** A connection as delivery sees it. Calls never throw and never wait. */
export interface Subscriber {
  readonly userId: string
  /** A log message: may be dropped only by lagging or closing. */
  deliver(message: LiveMessage): void
  /** The full summary that ends an attach. */
  summarise(summary: Summary): void
  /** A hint: the latest of a key replaces earlier ones. */
  hint(key: string, json: string): void
  /** The node cannot say any more what was missed: the subscriber is attached again within `spreadMs`. */
  resync(spreadMs: number): void
}

/** One user's connections on this node and the conversations they hang on. */
export class UserSlot {
  readonly userId: string
  readonly subscribers: Set<Subscriber> = new Set()
  /**
   * Those of them whose memberships have been read. A conversation that comes up later is news to them; to the others
   * it will be in the summary, which is read after the memberships.
   */
  readonly told: Set<Subscriber> = new Set()
  readonly entries: Set<ConversationEntry> = new Set()
  /** Conversations the user has left while connected, with the last seq they may see: all of it has been told. */
  readonly left: Map<string, number> = new Map()

  constructor(userId: string) {
    this.userId = userId
  }
}
