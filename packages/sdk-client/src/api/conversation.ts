import type { ChatType, LastMessage, SendableBody } from '@innerline/protocol'
import type { SendOptions, Sending, TimelineItem } from './message.js'
import type { CallOptions, Readable } from './readable.js'

/** `dormant`: only head, preview and unread follow. `pulling`: the backlog is being read. `live`: every entry seen anywhere is held. */
export type SyncState = 'dormant' | 'pulling' | 'live'

/** A range of seqs that exists and is not loaded, both ends included. */
export interface Hole {
  readonly fromSeq: number
  readonly toSeq: number
}

/** How far one other member is. */
export interface PeerPosition {
  readonly deliveredSeq: number
  readonly readSeq: number
}

export interface ConversationSnapshot {
  readonly conversationId: string
  readonly chatType: ChatType
  readonly title?: string
  /** The other one of a direct conversation. */
  readonly peerUserId?: string
  readonly groupId?: string
  readonly sessionId?: string
  /** Highest seq seen anywhere; 0 for a conversation without entries. */
  readonly headSeq: number
  readonly floorSeq: number
  readonly leaveSeq?: number
  readonly unread: number
  /** Newest seq that mentions this user; compare with `readSeq`. */
  readonly mentionSeq: number
  /** Own cursors, across all devices of this user. */
  readonly deliveredSeq: number
  readonly readSeq: number
  readonly mutedUntil?: number
  readonly pinned: boolean
  readonly hidden: boolean
  readonly lastMessage?: LastMessage
  readonly updatedAt: number
  readonly sync: SyncState
  /** Ranges inside the loaded timeline and below it that can be loaded; what lies under `floorSeq` is gone, not a hole. */
  readonly holes: readonly Hole[]
  /** Whether `loadOlder()` has something to load. */
  readonly hasOlder: boolean
  readonly loadingOlder: boolean
  /** Others typing now (each expires 5 s after their last key). */
  readonly typing: readonly string[]
  /** Positions of other members, as far as receipts have said. */
  readonly peers: Readonly<Record<string, PeerPosition>>
}

/** One conversation. The same object for the same id, for as long as the client lives. */
export interface Conversation extends Readable<ConversationSnapshot> {
  readonly id: string
  /**
   * Confirmed entries in seq order (kinds `message` and `system`; recalls and edits show in their target), then own unconfirmed messages.
   */
  readonly messages: Readable<readonly TimelineItem[]>
  readonly holes: readonly Hole[]
  readonly hasOlder: boolean
  /**
   * Reads the backlog page by page and stays live until `close()`. Opens are counted: each needs its `close()`. Resolves when live for the
   * first time; while offline it waits. Rejects with `NOT_FOUND`, `CLIENT_CLOSED`, or `CANCELLED` by its signal or a `close()`.
   */
  open(options?: CallOptions): Promise<void>
  /** Back to dormant once every `open()` was closed. Loaded messages stay. */
  close(): void
  /**
   * Loads the next older page above `floorSeq`, the nearest hole first. Resolves with whether there is more. Rejects like a request; a
   * second call while one runs answers the same promise.
   */
  loadOlder(options?: CallOptions & { readonly limit?: number }): Promise<{ readonly hasMore: boolean }>
  /**
   * Queues a message; on screen at once through `messages`. Resolves when the server has committed it. Rejects with the server's final
   * refusal (`MUTED`, `BLOCKED`, `TOO_LARGE` …), `QUEUE_FULL`, `EXPIRED`, `CANCELLED`, `MSG_ID_CONFLICT` or `CLIENT_CLOSED`. Retries keep
   * the msgId, so the message exists once. Order: the messages of one conversation are committed in the order of the calls.
   */
  send(body: SendableBody, options?: SendOptions): Sending
  /** Marks everything up to `upToSeq` (default: the newest held; of a conversation that is not open, the newest known) as read. Coalesced; never moves back. */
  markRead(upToSeq?: number): void
  /** Tells the others that this user is typing. Call it on every key: it is sent at most every 3 s, and never queued. */
  typing(): void
}

export interface Conversations extends Readable<readonly ConversationSnapshot[]> {
  readonly totalUnread: Readable<number>
  /** Whether `loadMore()` has something to load. */
  readonly hasMore: boolean
  /** The conversation of `conversationId`, known to the server or not. */
  get(conversationId: string): Conversation
  /**
   * The conversation with `userId`. Throws `OFFLINE` while the own user id is unknown (before the first connection, without option
   * `userId`).
   */
  direct(userId: string): Conversation
  /** Reads the next page of the list (the first 100 come by themselves). */
  loadMore(options?: CallOptions): Promise<{ readonly hasMore: boolean }>
}
