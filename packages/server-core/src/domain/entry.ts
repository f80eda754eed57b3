import type { ChatType, MessageKind } from '@innerline/protocol'

/** One stored entry of a conversation's log. Its body stays the JSON text it was stored as, all the way to the socket. */
export interface Entry {
  readonly conversationId: string
  readonly seq: number
  readonly ord: number
  readonly msgId: string
  readonly fromUserId: string
  readonly timestamp: number
  readonly kind: MessageKind
  /** JSON text; `null` where a recall has blanked it. */
  readonly bodyJson: string
  readonly replyTo?: string | undefined
  readonly mentions?: readonly string[] | undefined
  readonly target?: string | undefined
  readonly editedAt?: number | undefined
  readonly recalledAt?: number | undefined
}

/** What a conversation's newest entry looks like in a list. */
export interface LastEntry {
  readonly seq: number
  readonly msgId: string
  readonly fromUserId: string
  readonly kind: MessageKind
  /** ≤ 100 characters, made by the domain. */
  readonly preview: string
  readonly timestamp: number
}

/** The newest state of a conversation; one row whose lock orders all appends to it. */
export interface Head {
  readonly conversationId: string
  readonly chatType: ChatType
  /** Newest seq; 0 while there is none. */
  readonly headSeq: number
  /** Number of countable entries so far. */
  readonly headOrd: number
  /** Lowest seq that retention has kept; 1 from the start. */
  readonly lowSeq: number
  /** Countable entries below `lowSeq`. */
  readonly lowOrd: number
  /** Moves with everything that decides who may send or see. */
  readonly memberVersion: number
  readonly state: 'open' | 'closed'
  readonly createdAt: number
  readonly updatedAt: number
  readonly last?: LastEntry | undefined
}
