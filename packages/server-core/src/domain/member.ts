import type { Head } from './entry.js'

/** A user's place in a conversation: from where to where they may read, and how far they have come. */
export interface Member {
  readonly conversationId: string
  readonly userId: string
  /** Seq of the join; says when, not from where they may read. */
  readonly joinSeq: number
  /** Lowest seq this member may read. */
  readonly visibleFrom: number
  /** Countable entries below `visibleFrom`. */
  readonly visibleOrd: number
  /** Last seq this member may see; undefined while they are in. */
  readonly leaveSeq?: number | undefined
  readonly leaveOrd?: number | undefined
  /** Some device of the user has everything up to here. */
  readonly deliveredSeq: number
  readonly readSeq: number
  /** `ord` at `readSeq`. */
  readonly readOrd: number
  /** `ord` at the member's own newest countable entry: what came before counts as seen for the badge. */
  readonly sentOrd: number
  /** Newest seq that mentions this member; 0 = none. */
  readonly mentionSeq: number
  readonly mutedUntil?: number | undefined
  readonly pinned: boolean
  readonly hidden: boolean
}

/** The range of the log a member may see now; empty when `from > to`. */
export interface VisibleRange {
  readonly from: number
  readonly to: number
}

/** Everything a member can pull, preview, count or be sent is clamped to this (DESIGN "visibleFrom"). */
export const visibleRange = (head: Pick<Head, 'headSeq' | 'lowSeq'>, member: Pick<Member, 'visibleFrom' | 'leaveSeq'>): VisibleRange => ({
  from: Math.max(head.lowSeq, member.visibleFrom, 1),
  to: Math.min(head.headSeq, member.leaveSeq ?? Number.MAX_SAFE_INTEGER),
})

/** Whether the member may see the entry at `seq`. */
export const canSee = (member: Pick<Member, 'visibleFrom' | 'leaveSeq'>, seq: number): boolean =>
  seq >= member.visibleFrom && (member.leaveSeq === undefined || seq <= member.leaveSeq)

/** `ord` of the newest entry that a member may see. */
export const endOrdOf = (head: Pick<Head, 'headOrd'>, member: Pick<Member, 'leaveOrd'>): number =>
  Math.min(head.headOrd, member.leaveOrd ?? Number.MAX_SAFE_INTEGER)

/** Unread entries of a member: derived, so it cannot drift. */
export const unreadOf = (
  head: Pick<Head, 'headOrd' | 'lowOrd'>,
  member: Pick<Member, 'leaveOrd' | 'readOrd' | 'visibleOrd' | 'sentOrd'>,
): number => Math.max(0, endOrdOf(head, member) - Math.max(member.readOrd, member.visibleOrd, member.sentOrd, head.lowOrd))
