import type { ChatMessage, SendableBody } from '@innerline/protocol'

/** What a store holds of one conversation: every entry in `(lowSeq, lastSeq]`. */
export interface StoredPosition {
  readonly lowSeq: number
  readonly lastSeq: number
}

/** One unsettled or failed own message. */
export interface OutboxRecord {
  readonly msgId: string
  readonly conversationId: string
  readonly body: SendableBody
  readonly replyTo?: string
  readonly mentions?: readonly string[]
  /** Local epoch ms. */
  readonly createdAt: number
  /** Whether it may have been written to a socket: from then on only an answer settles it. */
  readonly written: boolean
  /** Code of the final refusal, once it failed. */
  readonly failed?: string
}

/**
 * Where a device keeps what it holds. Made so that one call is one transaction (IndexedDB, a file): rows and position move together or
 * not at all. Calls take effect in the order in which they were made. Any rejection is reported as `STORAGE_UNAVAILABLE` and the client
 * goes on in memory.
 */
export interface ImStore {
  /** Opens the data of one user; another user's data is not touched. Called once before anything else. */
  open(userId: string): Promise<void>
  /** The epoch the positions belong to; 0 when there are none. */
  epoch(): Promise<number>
  /**
   * Drops all positions and rows of an older epoch, never the outbox, and remembers `epoch`. Does nothing when the stored epoch is not
   * older: another writer has been here.
   */
  reset(epoch: number): Promise<void>
  position(conversationId: string): Promise<StoredPosition | undefined>
  /** Rows with `fromSeq ≤ seq ≤ toSeq` that are held, ascending. */
  rows(conversationId: string, fromSeq: number, toSeq: number): Promise<readonly ChatMessage[]>
  /**
   * Adds the unbroken run of entries `lowSeq + 1, lowSeq + 2 …`, and resolves with the `lastSeq` that was stored before (0 for none): what
   * lies above it is new to this store. A run that touches or overlaps what is held is joined to it; one that lies beyond it takes its
   * place, as the range between would be a hole; one that lies below it is left out. What is held stays, except that a row of kind
   * `recall` or `edit` changes the row it targets. With another `epoch` than the stored one nothing is written, and `Infinity` resolved.
   */
  apply(conversationId: string, epoch: number, lowSeq: number, rows: readonly ChatMessage[]): Promise<number>
  /** In the order in which they were first put. */
  outbox(): Promise<readonly OutboxRecord[]>
  /** Adds a record, or replaces the one of this msgId in its place. */
  putOutbox(record: OutboxRecord): Promise<void>
  deleteOutbox(msgId: string): Promise<void>
  /** Ends after the calls made before. */
  close(): Promise<void>
  /** Deletes everything of the opened user. */
  clear(): Promise<void>
}
