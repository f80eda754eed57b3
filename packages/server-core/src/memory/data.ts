import type { ChatType, MessageKind } from '@innerline/protocol'
import type { Change, FeedPosition } from '../domain/change.js'
import type { Lease, StoredUser, DeadLetter } from '../ports/storage.js'

/** One stored entry. Mutable only where a recall or an edit touches it. */
export class StoredEntry {
  editedAt: number | undefined = undefined
  recalledAt: number | undefined = undefined
  /** Edits of this entry, whose bodies a recall must blank as well. */
  edits: StoredEntry[] | undefined = undefined

  constructor(
    readonly conversation: Conversation,
    readonly seq: number,
    readonly ord: number,
    readonly msgId: string,
    readonly fromUserId: string,
    readonly timestamp: number,
    readonly kind: MessageKind,
    public bodyJson: string,
    readonly hash: string,
    readonly replyTo: string | undefined,
    readonly mentions: readonly string[] | undefined,
    readonly target: string | undefined,
  ) {}
}

/** A user's row in a conversation. `hiddenOrd` instead of a flag: the next countable entry ends it without a write per member. */
export class MemberRow {
  joinSeq = 0
  visibleFrom = 1
  visibleOrd = 0
  leaveSeq: number | undefined = undefined
  leaveOrd: number | undefined = undefined
  deliveredSeq = 0
  readSeq = 0
  readOrd = 0
  sentOrd = 0
  mentionSeq = 0
  mutedUntil: number | undefined = undefined
  pinned = false
  hiddenOrd: number | undefined = undefined

  constructor(
    readonly conversation: Conversation,
    readonly userId: string,
  ) {}
}

/** A conversation with its log: `entries[i]` has seq `lowSeq + i`. */
export class Conversation {
  headSeq = 0
  headOrd = 0
  lowSeq = 1
  lowOrd = 0
  memberVersion = 1
  state: 'open' | 'closed' = 'open'
  updatedAt: number
  last: StoredEntry | undefined = undefined
  lastPreview = ''
  readonly entries: StoredEntry[] = []
  readonly members = new Map<string, MemberRow>()
  /** Ids of the present members in order; undefined when it must be made again. */
  presentIds: readonly string[] | undefined = undefined
  /** The change row of the append under way. */
  pending: PendingChange | undefined = undefined

  constructor(
    readonly conversationId: string,
    readonly chatType: ChatType,
    readonly createdAt: number,
  ) {
    this.updatedAt = createdAt
  }

  /** The entry at `seq`, if it is kept. */
  at(seq: number): StoredEntry | undefined {
    return this.entries[seq - this.lowSeq]
  }

  /** Countable entries up to and including `seq`. */
  ordAt(seq: number): number {
    if (seq < this.lowSeq) return this.lowOrd
    return this.at(Math.min(seq, this.headSeq))?.ord ?? this.headOrd
  }
}

export interface PendingChange {
  firstSeq: number
  lastSeq: number
  channels: readonly string[]
}

export interface ReaderRow {
  position: FeedPosition
  seenAt: number
  lost: boolean
}

export interface LeaseRow extends Lease {
  readonly expiresAt: number
}

/** The feed's rows by id; ids are allocated before commit, so a row may come into being below `maxId`. */
export interface FeedData {
  nextId: number
  /** Highest committed id. */
  maxId: number
  readonly rows: Map<number, Change>
  /** Ids of transactions under way. */
  readonly held: Set<number>
  /** Nothing at or below it can appear any more. */
  resolvedFloor: number
  /** When (monotonic) the resolved floor came to be what it was, ascending. */
  floorHistory: { readonly at: number; readonly floor: number }[]
  /** Rows below it have been deleted. */
  lowId: number
}

/** What one memory storage holds; several nodes of a process may share it. */
export interface MemoryData {
  epoch: number
  readonly conversations: Map<string, Conversation>
  readonly byMsgId: Map<string, StoredEntry>
  readonly byUser: Map<string, Set<MemberRow>>
  /** Heads locked by a transaction that is held open, with what ends the wait. */
  readonly heldHeads: Map<string, Promise<void>>
  readonly feed: FeedData
  readonly readers: Map<string, ReaderRow>
  readonly leases: Map<string, LeaseRow>
  readonly deadLetters: DeadLetter[]
  readonly users: Map<string, StoredUser>
}

/** Empty data for {@link memoryStorage}. */
export const createMemoryData = (): MemoryData => ({
  epoch: 1,
  conversations: new Map(),
  byMsgId: new Map(),
  byUser: new Map(),
  heldHeads: new Map(),
  feed: { nextId: 1, maxId: 0, rows: new Map(), held: new Set(), resolvedFloor: 0, floorHistory: [], lowId: 1 },
  readers: new Map(),
  leases: new Map(),
  deadLetters: [],
  users: new Map(),
})
