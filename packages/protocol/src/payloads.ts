import type { ErrorCode, Retry } from './errors.js'

/** What travels as JSON. Readers ignore fields, events, kinds and codes they do not know. Times are epoch ms of the server. */

export type ChatType = 'direct' | 'group' | 'service'
export type MessageKind = 'message' | 'recall' | 'edit' | 'system' | 'reaction'
export type UserType = 'user' | 'agent' | 'customer'

export interface TextBody {
  readonly type: 'text'
  readonly text: string
}

export interface MediaBody {
  readonly type: 'image' | 'file' | 'audio' | 'video'
  /** `http(s)` or host-relative. */
  readonly url: string
  readonly thumbnailUrl?: string
  readonly name?: string
  readonly size?: number
  readonly mime?: string
  readonly width?: number
  readonly height?: number
  readonly durationMs?: number
}

export interface CustomBody {
  readonly type: `x-${string}`
  readonly [field: string]: unknown
}

export interface SystemBody {
  readonly type: 'system'
  readonly event: string
  readonly userIds?: readonly string[]
  readonly by?: string
}

/** What a client may send. */
export type SendableBody = TextBody | MediaBody | CustomBody
/** What a reader may meet; `null` where a recall has blanked it. */
export type MessageBody = SendableBody | SystemBody | null

/** One entry of a conversation's log, as every reader gets it (STOMP MESSAGE body, REST pages). */
export interface ChatMessage {
  readonly conversationId: string
  readonly chatType: ChatType
  /** Dense 1, 2, 3 … per conversation: the only order. */
  readonly seq: number
  /** Number of countable entries up to this one. */
  readonly ord: number
  readonly msgId: string
  readonly fromUserId: string
  readonly timestamp: number
  readonly kind: MessageKind
  readonly body: MessageBody
  readonly replyTo?: string
  readonly mentions?: readonly string[]
  /** The entry a recall or an edit is about. */
  readonly target?: string
  readonly editedAt?: number
  readonly recalledAt?: number
}

/** `/app/chat.sendMessage` and `POST /api/im/messages`. Exactly one target. */
export interface SendRequest {
  readonly msgId?: string
  readonly toUserId?: string
  readonly groupId?: string
  readonly sessionId?: string
  readonly conversationId?: string
  readonly body: SendableBody
  readonly replyTo?: string
  /** ≤ 50 user ids, or `['*']`. */
  readonly mentions?: readonly string[]
}

/** Answer to a send, as JSON by REST and as headers of the RECEIPT by STOMP. */
export interface SentMessage {
  readonly msgId: string
  readonly conversationId: string
  readonly seq: number
  readonly ord: number
  readonly timestamp: number
  readonly duplicate: boolean
}

/** One conversation's positions in an acknowledgement: `upToSeq` moves both, the others one each. */
export interface AckEntry {
  readonly conversationId: string
  readonly upToSeq?: number
  readonly deliveredSeq?: number
  readonly readSeq?: number
}

/** `/app/chat.ack` and `POST /api/im/offline/ack`. Cumulative, forward only. */
export interface AckMessage {
  readonly epoch?: number
  readonly acks: readonly AckEntry[]
}

export interface AckResult {
  readonly conversationId: string
  readonly deliveredSeq: number
  readonly readSeq: number
  readonly unread: number
}

export interface HeartbeatRequest {
  readonly epoch?: number
  readonly heads?: Readonly<Record<string, number>>
}

export interface HeartbeatAnswer {
  readonly serverTime: number
  readonly epoch: number
  /** Only conversations where the node knows more than the client. */
  readonly heads: Readonly<Record<string, number>>
}

/** A page of history, ascending. */
export interface MessagePage {
  readonly messages: readonly ChatMessage[]
  readonly hasMore: boolean
  /** Lowest seq this member can read now. What lies below is gone, not missing. */
  readonly floorSeq: number
  readonly epoch: number
  /** Direct and service chats: how far the other members are, so that ticks are right after a reload too. */
  readonly receipts?: readonly Receipt[]
}

/** How far a member is. */
export interface Receipt {
  readonly userId: string
  readonly deliveredSeq: number
  readonly readSeq: number
}

/** A page of `GET /api/im/offline/:conversationId`, ascending. */
export interface OfflinePage extends MessagePage {
  readonly nextAfterSeq: number
}

/** A page of `…/page`, descending. */
export interface OffsetPage {
  readonly items: readonly ChatMessage[]
  readonly total: number
  readonly offset: number
  readonly limit: number
}

export interface LastMessage {
  readonly seq: number
  readonly msgId: string
  readonly fromUserId: string
  readonly kind: MessageKind
  /** ≤ 100 characters. */
  readonly preview: string
  readonly timestamp: number
}

export interface ConversationSummary {
  readonly conversationId: string
  readonly chatType: ChatType
  readonly title?: string
  readonly peerUserId?: string
  readonly groupId?: string
  readonly sessionId?: string
  readonly headSeq: number
  readonly headOrd: number
  readonly deliveredSeq: number
  readonly readSeq: number
  readonly joinSeq: number
  readonly leaveSeq?: number
  readonly floorSeq: number
  readonly unread: number
  readonly mentionSeq: number
  readonly mutedUntil?: number
  readonly pinned: boolean
  readonly hidden: boolean
  readonly lastMessage?: LastMessage
  readonly updatedAt: number
}

/** `summary` event and `GET /api/im/offline/summary`. */
export interface Summary {
  readonly event?: 'summary'
  readonly epoch: number
  /** The newest, at most 100. */
  readonly conversations: readonly ConversationSummary[]
  /** Cursor for `GET /api/im/conversations` when there are more. */
  readonly next?: string
  readonly totalUnread: number
}

/** Events on `/user/queue/session`. Each is full state and a hint with a REST resource behind it. */
export type SessionEvent = { readonly at: number } & (
  | (Summary & { readonly event: 'summary' })
  | {
      readonly event: 'cursor'
      readonly conversationId: string
      readonly deliveredSeq: number
      readonly readSeq: number
      readonly unread: number
      /** `ord` of the newest entry that `unread` counts: the event may come before or after such entries. */
      readonly headOrd: number
    }
  | {
      readonly event: 'receipt'
      readonly conversationId: string
      readonly userId: string
      readonly deliveredSeq: number
      readonly readSeq: number
    }
  | (ConversationSummary & { readonly event: 'conversation' })
  | { readonly event: 'typing'; readonly conversationId: string; readonly userId: string }
  | { readonly event: 'presence'; readonly userId: string; readonly online: boolean; readonly lastSeen?: number }
  | { readonly event: 'lag' }
  | { readonly event: 'resync' }
  | { readonly event: 'drain'; readonly reconnectInMs: number }
  | { readonly event: 'auth-expiring'; readonly expiresAt: number }
  | { readonly event: 'kicked'; readonly code: number; readonly reason: string }
)

/** A refusal on `/user/queue/errors`. */
export interface ErrorMessage {
  readonly code: ErrorCode
  readonly title: string
  readonly detail?: string
  readonly retry: Retry
  readonly retryAfterMs?: number
  /** The refused frame's receipt id. */
  readonly receipt?: string
  readonly msgId?: string
  readonly destination?: string
  readonly requestId: string
}

/** REST errors: RFC 9457 problem details. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail?: string
  readonly retry: Retry
  readonly retryAfterMs?: number
  readonly requestId: string
}

/** Everything a server may send in a STOMP MESSAGE, by queue; the seed's envelope name. */
export type WebSocketMessage = ChatMessage | SessionEvent | HeartbeatAnswer | ErrorMessage

export interface LoginRequest {
  readonly username: string
  readonly password: string
  readonly deviceId?: string
}

export interface UserProfile {
  readonly userId: string
  readonly userType: UserType
  readonly displayName: string
  readonly avatar?: string
}

export interface LoginAnswer {
  readonly token: string
  readonly tokenType: 'Bearer'
  readonly expiresAt: number
  readonly user: UserProfile
}
