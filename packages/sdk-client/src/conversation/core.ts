import type { ChatMessage, ConversationSummary, ImError, Receipt } from '@innerline/protocol'
import type { Conversation } from '../api/conversation.js'
import type { Message } from '../api/message.js'
import type { Events } from '../events.js'
import type { OutboxQueue } from '../outbox/outbox.js'
import type { ImStore } from '../store/store.js'
import type { Acks } from './acks.js'
import type { PullPorts } from './pull.js'
import type { Cursors } from './summary.js'

/** What a conversation needs of its client. */
export interface ConversationPorts extends PullPorts {
  readonly events: Events
  readonly store: ImStore
  readonly outbox: OutboxQueue
  readonly acks: Acks
  userId(): string | undefined
  /** What the positions belong to. */
  epoch(): number
  /** Resolves once the store is opened. */
  opened(): Promise<void>
  send(destination: string, body: object): boolean
  /** Head, preview, unread or the like changed; `unreadBy` is the change of unread that the total does not know of. */
  changed(unreadBy: number): void
}

/** One conversation as the client drives it. */
export interface ConversationCore {
  readonly api: Conversation
  /** A summary has told of it: its title and settings are in no entry. */
  readonly told: boolean
  /** Where an open conversation is, for the heads heart-beat; undefined when dormant. */
  readonly at: number | undefined
  frame(message: ChatMessage): void
  summary(summary: ConversationSummary, inTotal: boolean): void
  head(seq: number): void
  cursor(cursors: Cursors & { readonly unread: number; readonly headOrd: number }): void
  receipt(receipt: Receipt): void
  typed(userId: string): void
  /** An own message was committed and its entry is on its way. */
  committed(message: Message): void
  /** The outbox of this conversation changed. */
  changed(): void
  /** This connection was told (again) where things stand: pulls may run. `named`: this conversation was in what was told. */
  resume(named: boolean): void
  /** Frames may have been dropped, until `resume`. */
  doubt(): void
  reset(): void
  stop(error: ImError): void
}
