/**
 * What happened, for audit, projections and push. Named consumers get every record at least once, ordered per entity;
 * a repeat may come late, so records carry their entity's version.
 */
export interface EventLog {
  start(): Promise<void>
  close(): Promise<void>
  /**
   * Starts this node's share of a named consumer; over all nodes each record is handled once unless something broke.
   * A handler that rejects is tried again with back-off (5 times), then its record goes to the dead letters and later
   * records flow. Resolves to a function that stops consuming when the running handler has ended.
   */
  consume(group: string, handler: (record: EventRecord) => Promise<void>): Promise<() => Promise<void>>
  /** Best effort, for happenings that change no row. Never rejects. Reaches this node's `onRecorded` listeners by default. */
  record(event: EventRecord): void
  onRecorded(listener: (record: EventRecord) => void): () => void
}

export interface EventRecord {
  readonly v: 1
  readonly eventId: string
  readonly type: string
  readonly at: number
  readonly actor?: string | undefined
  /** What it is about; the ordering key. */
  readonly entity: string
  readonly data: Readonly<Record<string, unknown>>
}
