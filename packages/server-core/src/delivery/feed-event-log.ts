import type { Change } from '../domain/change.js'
import type { Entry } from '../domain/entry.js'
import type { Cancel, Clock, EventLog, EventRecord, Ids, Lease, Logger, Storage } from '../ports/index.js'
import { HeldLease } from './held-lease.js'

const LEASE_MS = 10_000
const POLL_MS = 500
const PAGE = 100
const ATTEMPTS = 5
const BACKOFF_MS = [50, 200, 500, 1_000] as const

export interface FeedEventLogOptions {
  readonly storage: Storage
  readonly clock: Clock
  readonly ids: Ids
  readonly nodeId: string
  readonly logger: Logger
}

/**
 * The default EventLog: the change feed itself, read by a durable reader per named consumer under a lease, so it is
 * as durable as the Storage. One node works for a consumer at a time; another takes over where it left off.
 */
export function feedEventLog(options: FeedEventLogOptions): EventLog {
  const listeners = new Set<(record: EventRecord) => void>()
  const consumers = new Set<Consumer>()
  return {
    async start() {},
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
    },
    async consume(group, handler) {
      // A new consumer begins here, not where its first lease finds the feed.
      await options.storage.openReader(group)
      const consumer = new Consumer(options, group, handler)
      consumers.add(consumer)
      consumer.start()
      return async () => {
        consumers.delete(consumer)
        await consumer.stop()
      }
    },
    record(event) {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          options.logger.error({ err: error, type: event.type }, 'an event listener threw')
        }
      }
    },
    onRecorded(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

class Consumer {
  readonly #options: FeedEventLogOptions
  readonly #group: string
  readonly #handler: (record: EventRecord) => Promise<void>
  #stopped = false
  #wake: (() => void) | undefined
  #done: Promise<void> = Promise.resolve()

  constructor(options: FeedEventLogOptions, group: string, handler: (record: EventRecord) => Promise<void>) {
    this.#options = options
    this.#group = group
    this.#handler = handler
  }

  start(): void {
    this.#done = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#done
  }

  async #run(): Promise<void> {
    const { storage, clock, nodeId, logger } = this.#options
    const request = { name: `im-event:${this.#group}`, holder: nodeId, ttlMs: LEASE_MS }
    let lease: Lease | undefined
    while (!this.#stopped) {
      let more = false
      let held: HeldLease | undefined
      try {
        held = await HeldLease.take(storage, clock, request)
        lease = held?.lease
        if (held !== undefined) more = await this.#step(held)
      } catch (error) {
        logger.warn({ err: error, group: this.#group }, 'an event consumer waits')
      }
      held?.end()
      if (!more && !this.#stopped) await this.#sleep(POLL_MS)
    }
    if (lease !== undefined) await storage.releaseLease(lease).catch(() => undefined)
  }

  /** Handles one page of changes and stores the position; true when more is waiting. */
  async #step(held: HeldLease): Promise<boolean> {
    const { storage, logger } = this.#options
    const { position, gap } = await storage.openReader(this.#group)
    if (gap) logger.error({ group: this.#group }, 'an event consumer was away too long: events before its position are lost')
    const batch = await storage.changes(position, PAGE)
    // Between the two calls; opened again it is told what is lost, and where to go on.
    if (batch.tooOld) return true
    for (const change of batch.changes) {
      for await (const record of this.#recordsOf(change)) {
        // Without its lease a consumer must not go on beside its successor, which begins at the stored position.
        if (this.#stopped || !held.isHeld || !(await this.#handle(record))) return false
      }
    }
    await storage.saveReader({ name: this.#group, position: batch.position, lease: held.lease })
    return batch.more
  }

  async *#recordsOf(change: Change): AsyncGenerator<EventRecord> {
    if (change.kind !== 'entries') return
    for (let from = change.firstSeq; from <= change.lastSeq; ) {
      const slice = await this.#options.storage.readMessages({
        conversationId: change.conversationId,
        from,
        to: change.lastSeq,
        direction: 'forward',
        limit: PAGE,
        maxBytes: 1024 * 1024,
      })
      if (slice.entries.length === 0) return
      for (const entry of slice.entries) yield recordOf(change, entry)
      from = (slice.entries[slice.entries.length - 1] as Entry).seq + 1
    }
  }

  /** False when the consumer was stopped before the record was settled: a successor has it again. */
  async #handle(record: EventRecord): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#handler(record)
        return true
      } catch (error) {
        if (this.#stopped) return false
        if (attempt + 1 >= ATTEMPTS) {
          await this.#options.storage.putDeadLetter({
            group: this.#group,
            key: record.entity,
            recordJson: JSON.stringify(record),
            error: String(error instanceof Error ? error.message : error).slice(0, 1_000),
          })
          return true
        }
        await this.#sleep(BACKOFF_MS[attempt] ?? 1_000)
        if (this.#stopped) return false
      }
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel | undefined
      const end = (): void => {
        cancel?.()
        this.#wake = undefined
        resolve()
      }
      this.#wake = end
      cancel = this.#options.clock.after(ms, end)
    })
  }
}

const types: Readonly<Record<string, string>> = { message: 'message.accepted', recall: 'message.recalled', edit: 'message.edited' }

function recordOf(change: Change, entry: Entry): EventRecord {
  const { conversationId, seq, ord, msgId, fromUserId, timestamp, kind, target } = entry
  return {
    v: 1,
    // Derived, so that a repeat carries the same id.
    eventId: `${change.conversationId}:${seq}`,
    type: types[kind] ?? `message.${kind}`,
    at: timestamp,
    actor: fromUserId,
    entity: conversationId,
    data: { conversationId, seq, ord, msgId, kind, ...(target === undefined ? {} : { target }) },
  }
}
