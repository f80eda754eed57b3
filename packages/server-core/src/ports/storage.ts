import type { ChatType, MessageKind, ServerErrorCode, UserType } from '@innerline/protocol'
import type { Change, FeedPosition } from '../domain/change.js'
import type { Entry, Head } from '../domain/entry.js'
import type { Member } from '../domain/member.js'

/**
 * The truth. Everything the promise speaks of is committed here and nowhere else.
 *
 * Rejections: an outage rejects with ImError `UNAVAILABLE` (retryAfterMs set); nothing else is expected to reject
 * unless a method says so. Arrays of results are aligned with their requests. Every write is atomic.
 */
export interface Storage extends LogStorage, ConversationStorage, FeedStorage, LeaseStorage, UserStorage {
  readonly capabilities: {
    /** Whether committed data survive the process. */
    readonly durable: boolean
  }
  /** Connects and checks; rejects with a sentence that says what is wrong and what to do. Idempotent. */
  start(): Promise<void>
  /** Resolves when nothing of this storage's own is open any more. Borrowed resources stay open. Idempotent. */
  close(): Promise<void>
  /** Resolves when the storage answers, rejects `UNAVAILABLE` when not. */
  ping(): Promise<void>
  /** The storage's epoch: from 1, raised by an operator after a lossy fail-over or a restore, and by a storage that may have taken back what it had shown. */
  epoch(): Promise<number>
  /** Raises the epoch, not always by one, and returns it. A restored storage must not come to one it had before the restore. Operators only. */
  raiseEpoch(): Promise<number>
}

export interface LogStorage {
  /**
   * Appends in one transaction, giving each accepted item the next seq of its conversation in batch order.
   * Commit order is seq order; seqs are dense. Same msgId, sender and hash as a stored entry (or as an earlier item
   * of the batch) → that entry's answer with `duplicate: true`; same msgId with anything else → `MSG_ID_CONFLICT`.
   * A refused item never fails its batch. When the outcome is unknown the call retries inside or rejects
   * `UNAVAILABLE`; it never reports an entry that is not committed. One change row per conversation and batch.
   */
  appendMessages(batch: AppendBatch): Promise<readonly AppendResult[]>
  /**
   * As `appendMessages`, inside a transaction that the host has begun: `tx` is the host's own handle to it. Nothing is
   * committed, rolled back or announced; nobody sees the entries before the host's commit. A conversation that has not
   * been opened is `STATE_CONFLICT`. Absent where the storage has no transactions of the host's.
   */
  appendInTransaction?(tx: unknown, batch: AppendBatch): Promise<readonly AppendResult[]>
  /** What is committed under these msgIds. Reads committed data only; a missing id proves nothing (it may be in flight). */
  findByMsgIds(msgIds: readonly string[]): Promise<ReadonlyMap<string, CommittedMessage>>
  /**
   * Entries of `[from, to]`, at most `limit` and about `maxBytes` (at least one entry), always ascending.
   * `forward` starts at `from`, `backward` ends at `to`. Nothing below the retention floor. An unknown conversation
   * has no entries. Consistent with every append acknowledged before the call.
   */
  readMessages(range: MessageRange): Promise<MessageSlice>
  /** The entry with this msgId. */
  findEntry(msgId: string): Promise<Entry | undefined>
  /** The highest seq whose timestamp is below `time`; 0 if none. */
  lastSeqBefore(conversationId: string, time: number): Promise<number>
  /**
   * Deletes entries older than `before`, at most `limit` in this call: raises the conversations' floor first, then
   * deletes. Never touches the newest entry of a conversation.
   */
  expireMessages(request: {
    readonly before: number
    readonly limit: number
  }): Promise<{ readonly expired: number; readonly more: boolean }>
}

export interface ConversationStorage {
  /**
   * Creates a conversation with its first members in one transaction and writes a `members` change. When it is there
   * already nothing is changed. Returns the head as committed. Safe under races: all callers see one conversation.
   */
  openConversation(request: OpenConversation): Promise<Head>
  /** Heads of these conversations, unknown ones left out. Never older than what was committed before the call. */
  readHeads(conversationIds: readonly string[]): Promise<readonly Head[]>
  /** Head and one member's row, from one snapshot; `member` undefined for a stranger, the whole undefined when there is no such conversation. */
  readMember(conversationId: string, userId: string): Promise<{ readonly head: Head; readonly member?: Member | undefined } | undefined>
  /** Rows of those of `userIds` who are or were members, with the head they were read with (one snapshot). */
  readMembers(
    conversationId: string,
    userIds: readonly string[],
  ): Promise<{ readonly head: Head; readonly members: readonly Member[] } | undefined>
  /** User ids of the present members, at most `limit`, in id order after `after`. */
  listMemberIds(conversationId: string, page: { readonly after?: string | undefined; readonly limit: number }): Promise<readonly string[]>
  /** Every conversation the user is or was in, with their clamps; no order. */
  memberships(userId: string): Promise<readonly Membership[]>
  /**
   * A page of the user's conversations that have entries, newest first, from one snapshot; everything clamped to what
   * the user may see. `totalUnread` is over all conversations (not of a filter, not of the page).
   */
  summaries(userId: string, page: SummaryPageRequest): Promise<SummaryPage>
  /**
   * Moves cursors forward; never backward, whatever the order of calls. Values are clamped to what the member may
   * see; `readSeq` implies `deliveredSeq`. Strangers and unknown conversations give undefined. Writes no change row.
   * A row that another transaction keeps locked for more than a second or so is given back as `held`; the others move.
   */
  advanceCursors(moves: readonly CursorMove[]): Promise<readonly (CursorState | undefined)[]>
  /** Every present member's positions (at most `limit` members): what ticks and read lists are made of. */
  readCursors(
    conversationId: string,
    limit: number,
  ): Promise<readonly { readonly userId: string; readonly deliveredSeq: number; readonly readSeq: number }[]>
}

export interface FeedStorage {
  /** Where a reader that starts now begins: the newest id, and the gaps above `resolvedFloor`, from one snapshot. */
  startPosition(): Promise<FeedPosition>
  /**
   * Changes after `position`: ids above it and ids of `missing` that have appeared, ascending, `void` rows included,
   * at most `limit`. `tooOld` when rows that this position needs have been deleted, or its epoch is not the
   * storage's: then `changes` is empty and `position` a fresh start position.
   */
  changes(position: FeedPosition, limit: number): Promise<ChangeBatch>
  /**
   * Closes gaps under a lease: each id of `probe` that has no row and is held by no transaction is filled with a void
   * row; those still held stay open, as do `young` ones, which are not looked at. Stores the resolved floor: nothing at
   * or below it can appear any more. A gap in neither list keeps the floor below it too, so that a caller whose lists
   * are older than its `readUpTo` does no harm. Rejects `STATE_CONFLICT` when the lease is not held any more.
   */
  resolveGaps(request: ResolveGaps): Promise<{ readonly open: readonly number[]; readonly resolvedFloor: number }>
  /**
   * Deletes change rows below the resolved floor as it stood `keepMs` ago and below every durable reader. Readers not
   * seen for `readerLostAfterMs` are marked lost and stop holding.
   */
  trimChanges(request: {
    readonly keepMs: number
    readonly readerLostAfterMs: number
    readonly limit: number
  }): Promise<{ readonly deleted: number; readonly lostReaders: readonly string[] }>
  /**
   * Opens a durable reader; the first time it begins at the start position. `gap`, once, when rows that its old
   * position needed are gone (it was marked lost, or the epoch has changed): it then goes on with the oldest row left,
   * in a new epoch with the start position.
   */
  openReader(name: string): Promise<{ readonly position: FeedPosition; readonly gap: boolean }>
  /** Stores a durable reader's position and that it lives. Rejects `STATE_CONFLICT` when the lease is not held any more. */
  saveReader(request: { readonly name: string; readonly position: FeedPosition; readonly lease: Lease }): Promise<void>
  /** Rows and age in ms of the oldest, for metrics. */
  feedSize(): Promise<{ readonly rows: number; readonly oldestMs: number }>
}

export interface LeaseStorage {
  /**
   * Takes or renews a named lease for `ttlMs` on the storage's own clock; undefined while another holder has it.
   * `fence` rises with every change of holder and stays on renewal.
   */
  acquireLease(request: { readonly name: string; readonly holder: string; readonly ttlMs: number }): Promise<Lease | undefined>
  /** Gives a lease back; nothing happens when it is not held any more. */
  releaseLease(lease: Lease): Promise<void>
  /** Keeps a record that a consumer could not handle. */
  putDeadLetter(letter: NewDeadLetter): Promise<void>
  listDeadLetters(limit: number): Promise<readonly DeadLetter[]>
}

export interface UserStorage {
  /** Users of the built-in accounts. */
  readUsers(userIds: readonly string[]): Promise<readonly StoredUser[]>
  /** Users whose id or display name contains `text` (case-insensitive), in id order. */
  searchUsers(text: string, limit: number): Promise<readonly StoredUser[]>
  /** Creates or replaces a user. */
  putUser(user: StoredUser): Promise<void>
}

export interface AppendItem {
  readonly conversationId: string
  readonly msgId: string
  readonly fromUserId: string
  readonly kind: MessageKind
  /** Whether the entry adds to unread. */
  readonly countable: boolean
  /** Fingerprint of the request as received; tells a retry from an id clash. */
  readonly hash: string
  readonly bodyJson: string
  readonly preview: string
  readonly replyTo?: string | undefined
  readonly mentions?: readonly string[] | undefined
  readonly target?: string | undefined
  /** The memberVersion the sender's rights were checked at; when it has moved they are checked again under the lock. */
  readonly checkedAt: number
  /** The channels whose members must hear of it. */
  readonly channels: readonly string[]
}

export interface AppendBatch {
  readonly nodeId: string
  /** The node's time; an entry's timestamp is max(now, the head's last). */
  readonly now: number
  readonly items: readonly AppendItem[]
  /**
   * How long, in ms, items may wait for a conversation that another transaction keeps locked; then they are answered
   * `BUSY` with `held`. 0: they are answered at once when the lock is not given within a second or so, and the rest of
   * the batch goes on without them. @default 10000
   */
  readonly waitMs?: number | undefined
}

export type AppendResult =
  | {
      readonly ok: true
      readonly seq: number
      readonly ord: number
      readonly timestamp: number
      readonly duplicate: boolean
      readonly memberVersion: number
    }
  | {
      readonly ok: false
      readonly code: ServerErrorCode
      readonly detail?: string | undefined
      readonly retryAfterMs?: number | undefined
      /** Another transaction keeps the conversation locked; nothing has been decided about the item. */
      readonly held?: boolean | undefined
    }

export interface CommittedMessage {
  readonly conversationId: string
  readonly seq: number
  readonly ord: number
  readonly timestamp: number
  readonly fromUserId: string
  readonly hash: string
}

export interface MessageRange {
  readonly conversationId: string
  /** Inclusive. */
  readonly from: number
  /** Inclusive. */
  readonly to: number
  readonly direction: 'forward' | 'backward'
  readonly limit: number
  readonly maxBytes: number
}

export interface MessageSlice {
  readonly entries: readonly Entry[]
  /** Whether the range holds more in the read's direction. */
  readonly more: boolean
}

export interface OpenConversation {
  readonly conversationId: string
  readonly chatType: ChatType
  /** Present members from seq 1 on. */
  readonly userIds: readonly string[]
  readonly nodeId: string
  readonly now: number
}

export interface Membership {
  readonly conversationId: string
  readonly visibleFrom: number
  readonly leaveSeq?: number | undefined
  readonly memberVersion: number
}

export interface SummaryPageRequest {
  readonly limit: number
  /** Opaque, from the page before. */
  readonly cursor?: string | undefined
  readonly chatType?: ChatType | undefined
}

export interface SummaryRow {
  readonly head: Head
  readonly member: Member
}

export interface SummaryPage {
  readonly items: readonly SummaryRow[]
  readonly next?: string | undefined
  readonly totalUnread: number
}

export interface CursorMove {
  readonly conversationId: string
  readonly userId: string
  readonly deliveredSeq?: number | undefined
  readonly readSeq?: number | undefined
}

export interface CursorState {
  readonly deliveredSeq: number
  readonly readSeq: number
  readonly unread: number
  /** `ord` of the newest entry that `unread` counts, from the same snapshot. */
  readonly headOrd: number
  /** Whether this call moved anything. */
  readonly moved: boolean
  /** Another transaction keeps the row locked: nothing has been written, the positions are the old ones. Ask again. */
  readonly held?: true | undefined
}

export interface ChangeBatch {
  readonly changes: readonly Change[]
  readonly position: FeedPosition
  readonly tooOld: boolean
  /** Whether `limit` cut the batch. */
  readonly more: boolean
}

export interface ResolveGaps {
  readonly lease: Lease
  /** Highest id the caller has read. */
  readonly readUpTo: number
  readonly probe: readonly number[]
  readonly young: readonly number[]
}

export interface Lease {
  readonly name: string
  readonly holder: string
  readonly fence: number
}

export interface NewDeadLetter {
  readonly group: string
  readonly key: string
  readonly recordJson: string
  readonly error: string
}

export interface DeadLetter extends NewDeadLetter {
  readonly id: number
  readonly at: number
}

export interface StoredUser {
  readonly userId: string
  readonly userType: UserType
  readonly displayName: string
  readonly avatar?: string | undefined
  readonly roles: readonly string[]
  readonly passwordHash: string
}
