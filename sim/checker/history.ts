/**
 * What was seen from outside while a log was written: the checker's whole input. All times are in ms of one clock that every process of
 * the run shares and that never steps; only their order is looked at.
 */
export interface History {
  readonly attempts: readonly Attempt[]
  /** The final log of every conversation, in the order it was read. */
  readonly log: readonly LoggedEntry[]
  /** The final head of every conversation, including those that have no entry. */
  readonly heads: readonly FinalHead[]
  readonly readers: readonly FeedHistory[]
  readonly cursors: readonly CursorObservation[]
}

/** One append as its writer saw it. A retry is a further attempt with the same msgId. */
export interface Attempt {
  readonly writer: string
  readonly conversationId: string
  readonly msgId: string
  readonly fromUserId: string
  /** The body, or anything else that is equal exactly when the bodies are. */
  readonly content: string
  readonly countable: boolean
  readonly startedAt: number
  /** Undefined when no answer came. */
  readonly endedAt?: number | undefined
  readonly outcome?: Acknowledged | Refused | undefined
}

export interface Acknowledged {
  readonly ok: true
  readonly seq: number
  readonly ord: number
  readonly timestamp: number
  readonly duplicate: boolean
}

export interface Refused {
  readonly ok: false
  readonly code: string
  /** Whether the writer is told never to try again; otherwise nothing is known of the message. */
  readonly final: boolean
}

export interface LoggedEntry {
  readonly conversationId: string
  readonly seq: number
  readonly ord: number
  readonly msgId: string
  readonly fromUserId: string
  readonly content: string
  readonly countable: boolean
  readonly timestamp: number
}

export interface FinalHead {
  readonly conversationId: string
  readonly headSeq: number
  readonly headOrd: number
}

/** Everything one reader of the change feed was given, in that order, until it had nothing more to read. */
export interface FeedHistory {
  readonly reader: string
  /** Heads read after the start position was taken: entries above them must come by the feed. A conversation not named counts from 0. */
  readonly startHeads: Readonly<Record<string, number>>
  readonly changes: readonly SeenChange[]
}

export interface SeenChange {
  readonly id: number
  readonly kind: 'entries' | 'members' | 'void'
  readonly conversationId: string
  readonly firstSeq: number
  readonly lastSeq: number
}

/** A cursor as it was read, or as the answer to a move told it. */
export interface CursorObservation {
  readonly userId: string
  readonly conversationId: string
  readonly startedAt: number
  readonly endedAt: number
  readonly deliveredSeq: number
  readonly readSeq: number
  /** For a move that was answered: what it asked for, already clamped to what the member could see when it was asked. */
  readonly asked?: { readonly deliveredSeq: number; readonly readSeq: number } | undefined
}

/** One `send()` of a client, from the call to what its promise said. */
export interface SendHistory {
  /** The run of the app that called it. */
  readonly app: string
  readonly device: string
  readonly userId: string
  readonly msgId: string
  readonly conversationId: string
  readonly content: string
  readonly startedAt: number
  /** Undefined while the promise is open. */
  readonly endedAt?: number | undefined
  readonly outcome?: Acknowledged | Refused | undefined
  /** The app that waited is no more. */
  readonly appEnded: boolean
  /** The client took its word back: what it had called failed turned out to be committed. */
  readonly revived: boolean
  /** Made past the client's queue, so that nothing is said of its place among the others. */
  readonly unordered?: boolean | undefined
}

/** What one device store was seen to do, over all runs of the app that used it. */
export interface StoreHistory {
  readonly store: string
  readonly userId: string
  /** `message` events, in their order. */
  readonly events: readonly SeenMessage[]
  /** The last of its eras. */
  readonly era: number
  /** Rows that were news to the store and whose app lived to hear that it has them. */
  readonly taken: readonly TakenRow[]
}

export interface TakenRow {
  readonly app: string
  /** Counts the client's moves to another epoch, which begins everything anew. */
  readonly era: number
  readonly conversationId: string
  readonly seq: number
}

export interface SeenMessage extends TakenRow {
  readonly msgId: string
}

/** What one device shows and holds when everything is at rest. */
export interface DeviceHistory {
  readonly device: string
  readonly userId: string
  readonly totalUnread: number
  readonly conversations: readonly HeldConversation[]
  /** Own messages that are neither settled nor failed. */
  readonly unsettled: readonly string[]
}

export interface HeldConversation {
  readonly conversationId: string
  readonly sync: 'dormant' | 'pulling' | 'live'
  readonly headSeq: number
  readonly unread: number
  readonly deliveredSeq: number
  readonly readSeq: number
  readonly holes: readonly { readonly fromSeq: number; readonly toSeq: number }[]
  /** Confirmed entries shown, in their order. */
  readonly shown: readonly ShownMessage[]
  /** What the store holds; undefined when it knows nothing of the conversation. */
  readonly stored?: { readonly lowSeq: number; readonly lastSeq: number; readonly rows: readonly ShownMessage[] } | undefined
  readonly peers: Readonly<Record<string, { readonly deliveredSeq: number; readonly readSeq: number }>>
}

export interface ShownMessage {
  readonly seq: number
  readonly msgId: string
  readonly content: string
  readonly status?: string | undefined
}

/** A member's row at the end. */
export interface FinalMember {
  readonly conversationId: string
  readonly userId: string
  readonly visibleFrom: number
  readonly leaveSeq?: number | undefined
  readonly deliveredSeq: number
  readonly readSeq: number
  /** What the service says is unread. */
  readonly unread: number
}

export type Rule =
  | DeviceRule
  | WorldRule
  | 'log-hole'
  | 'log-ord'
  | 'log-time'
  | 'log-head'
  | 'two-seqs'
  | 'foreign-entry'
  | 'changed-content'
  | 'lost-acknowledged'
  | 'wrong-acknowledgement'
  | 'new-twice'
  | 'refused-committed'
  | 'out-of-order'
  | 'feed-hole'
  | 'feed-repeat'
  | 'feed-phantom'
  | 'cursor-backward'
  | 'cursor-ignored'
  | 'cursor-beyond'

/** Rules on what clients hold, show and were told. */
export type DeviceRule =
  | 'store-hole'
  | 'store-foreign'
  | 'store-behind'
  | 'view-hole'
  | 'view-foreign'
  | 'event-repeat'
  | 'event-order'
  | 'event-lost'
  | 'hidden-hole'
  | 'false-live'
  | 'beyond-membership'
  | 'unknown-conversation'
  | 'send-open'
  | 'send-untrue'
  | 'send-order'
  | 'cursor-ahead'
  | 'tick-ahead'
  | 'wire-hole'
  | 'wire-repeat'
  | 'wire-lag'
  | 'stale-read'
  | 'event-missed'
  | 'unread-wrong'

/** Rules on how everything behaves around the data. */
export type WorldRule =
  | 'no-rest'
  | 'closed-for-good'
  | 'left-behind'
  | 'uncaught'
  | 'real-world'
  | 'logged-error'
  | 'client-error'
  | 'empty-history'

export interface Violation {
  readonly rule: Rule
  /** What was expected and what was there, with ids. */
  readonly detail: string
}

/** Groups values by a key, keeping their order. */
export function groupBy<T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const group = groups.get(key(value))
    if (group === undefined) groups.set(key(value), [value])
    else group.push(value)
  }
  return groups
}
