import type { ChatMessage, SendableBody } from '@innerline/protocol'

/**
 * What a store knows of one conversation. Every seq in `(lowSeq, lastSeq]` was applied and is held, except where the floor swallowed it.
 */
export interface StoredPosition {
  /** Entries are held contiguously from here (exclusive) up to `lastSeq`. */
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
  /** Whether it was ever written to a socket: from then on only an answer settles it. */
  readonly written: boolean
  /** Code of the final refusal, once it failed. */
  readonly failed?: string
}

/**
 * Where a device keeps what it holds. Made so that one call is one transaction (IndexedDB, a file): rows and position move together or
 * not at all. Any rejection is reported as `STORAGE_UNAVAILABLE` and the client goes on in memory.
 */
export interface ImStore {
  /** Opens the data of one user; another user's data is not touched. Called once before anything else. */
  open(userId: string): Promise<void>
  /** The epoch the positions belong to; 0 when there are none. */
  epoch(): Promise<number>
  /** Drops all positions and rows, never the outbox, and remembers `epoch`. */
  reset(epoch: number): Promise<void>
  position(conversationId: string): Promise<StoredPosition | undefined>
  /** Rows with `fromSeq ≤ seq ≤ toSeq`, ascending. */
  rows(conversationId: string, fromSeq: number, toSeq: number): Promise<readonly ChatMessage[]>
  /**
   * Adds `rows` and sets the position, if the stored `lastSeq` still is `expectedLast` (0 for none). False, with nothing written, when it
   * is not: another writer was faster. A row of kind `recall` or `edit` also changes the row it targets, and rows at or below the new
   * `lowSeq` are deleted. Older rows come with an unchanged `lastSeq` and a lower `lowSeq`.
   */
  apply(conversationId: string, rows: readonly ChatMessage[], expectedLast: number, position: StoredPosition): Promise<boolean>
  outbox(): Promise<readonly OutboxRecord[]>
  putOutbox(record: OutboxRecord): Promise<void>
  deleteOutbox(msgId: string): Promise<void>
  close(): Promise<void>
  /** Deletes everything of the opened user. */
  clear(): Promise<void>
}
