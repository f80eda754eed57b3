import type { ImError } from '@innerline/protocol'
import type { ConnectionSnapshot } from './connection.js'
import type { ConversationSnapshot } from './conversation.js'
import type { Message, TimelineItem } from './message.js'

/** Listeners by event. What a listener throws is reported as `error` and harms neither the other listeners nor the delivery. */
export interface ImEvents {
  connection: (now: ConnectionSnapshot, before: ConnectionSnapshot) => void
  /**
   * One entry of an open conversation: every kind, strictly ascending per conversation, each seq once per device store. `sync` came with a
   * pulled page, `live` by the socket. For a chat line look at `message.kind === 'message'`.
   */
  message: (event: { readonly message: Message; readonly origin: 'live' | 'sync' }) => void
  /** Head, preview, unread, cursors or sync state of a conversation changed, open or not. */
  conversation: (event: { readonly conversation: ConversationSnapshot }) => void
  /** An own message was committed. */
  sent: (event: { readonly message: Message }) => void
  /** An own message was refused or given up. */
  failed: (event: { readonly item: TimelineItem; readonly error: ImError }) => void
  /** An own message that had failed turned out to be committed (the first attempt got through after all). */
  revived: (event: { readonly message: Message }) => void
  /** A peer's cursors moved. */
  receipt: (event: {
    readonly conversationId: string
    readonly userId: string
    readonly deliveredSeq: number
    readonly readSeq: number
  }) => void
  typing: (event: { readonly conversationId: string; readonly userId: string }) => void
  /** A pull of one conversation begins or ends; `complete` says that it reached live. */
  sync: (event: {
    readonly conversationId: string
    readonly phase: 'start' | 'end'
    readonly pulled: number
    readonly complete: boolean
  }) => void
  /** Any other event of the session queue (`group`, `friend`, `service`, …): a hint to read the REST resource again. */
  session: (event: { readonly event: string; readonly at: number; readonly [field: string]: unknown }) => void
  /** The server ended this sign-in; `connection` becomes `closed` if the code is final. */
  kicked: (event: { readonly code: number; readonly reason: string }) => void
  /** The storage was restored: positions and rows were dropped and are read again. The outbox is kept. */
  epoch: (event: { readonly epoch: number; readonly before: number }) => void
  /** Failures of background work only; the error of a call rejects that call. */
  error: (error: ImError) => void
}
