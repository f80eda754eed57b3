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
  // Made on first use: most of a node's users have no conversation in their first second, and many never leave one.
  #entries: Set<ConversationEntry> | undefined
  #left: Map<string, number> | undefined

  constructor(userId: string) {
    this.userId = userId
  }

  /** The conversations the user's connections hang on. */
  get entries(): readonly ConversationEntry[] {
    return [...(this.#entries ?? [])]
  }

  follow(entry: ConversationEntry): void {
    this.#entries ??= new Set()
    this.#entries.add(entry)
  }

  unfollow(entry: ConversationEntry): void {
    this.#entries?.delete(entry)
  }

  /** Last seq the user may see of a conversation left while connected, all of which has been told; undefined for any other. */
  leftAt(conversationId: string): number | undefined {
    return this.#left?.get(conversationId)
  }

  leave(conversationId: string, leaveSeq: number): void {
    this.#left ??= new Map()
    this.#left.set(conversationId, leaveSeq)
  }

  /** Nothing that was told counts any more. */
  forget(): void {
    this.told.clear()
    this.#left = undefined
  }
}
