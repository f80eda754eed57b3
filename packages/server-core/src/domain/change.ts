/**
 * A row of the change feed, written in the transaction of what it tells: the durable truth that every node reads.
 * It names ranges, never bodies.
 */
export interface Change {
  readonly id: number
  /** `entries`: appended seqs. `members`: membership or rights moved. `void`: an id that will never carry anything. */
  readonly kind: 'entries' | 'members' | 'void'
  readonly conversationId: string
  /** `user:<id>` or `group:<id>` of everybody concerned. */
  readonly channels: readonly string[]
  /** First and last seq appended; 0 when none. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly memberVersion: number
  /** The node that wrote it. */
  readonly nodeId: string
  readonly at: number
}

/**
 * How far a reader of the feed is. Ids commit out of order, so it is the highest id read and the ids below it that
 * have not appeared yet.
 */
export interface FeedPosition {
  readonly epoch: number
  readonly id: number
  /** Ascending. */
  readonly missing: readonly number[]
}

/** The channel of one user's connections. */
export const userChannel = (userId: string): string => `user:${userId}`
