import type { Cancel, Clock, FeedStorage, LeaseStorage, Logger, Metrics } from '../ports/index.js'
import type { FeedReader } from './feed-reader.js'

const LEASE = 'im-feed'
const LEASE_MS = 10_000
const TICK_MS = 1_000
const PROBE_AFTER_MS = 1_000
/** Without gaps the floor is still raised, so that a new node starts with few candidates. */
const RAISE_EVERY = 5
const TRIM_EVERY = 60
const TRIM_ROWS = 5_000

export interface FeedKeeperOptions {
  readonly storage: FeedStorage & LeaseStorage
  readonly reader: FeedReader
  readonly nodeId: string
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** How long change rows are kept below the resolved floor. */
  readonly keepMs: number
  /** A durable reader not seen for so long stops holding rows. */
  readonly readerLostAfterMs: number
}

/**
 * Keeps the change feed finite and gapless, on one node at a time (lease with fence): ids missing for 1 s are
 * probed and closed, old rows are trimmed. What it does may be late; it is never needed for anything to be seen.
 */
export class FeedKeeper {
  readonly #options: FeedKeeperOptions
  #cancel: Cancel | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false
  #ticks = 0

  constructor(options: FeedKeeperOptions) {
    this.#options = options
  }

  start(): void {
    this.#cancel = this.#options.clock.after(TICK_MS, () => {
      this.#running = this.tick().then(() => {
        if (!this.#stopped) this.start()
      })
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    await this.#running
  }

  /** One round. Never rejects. */
  async tick(): Promise<void> {
    const { storage, reader, nodeId, logger, metrics } = this.#options
    const round = this.#ticks++
    const due = reader.missing().some((gap) => gap.ageMs >= PROBE_AFTER_MS)
    if (!due && round % RAISE_EVERY !== 0) return
    try {
      const lease = await storage.acquireLease({ name: LEASE, holder: nodeId, ttlMs: LEASE_MS })
      // Both from one moment: a reader that went on in between would raise the floor past a gap that is not listed.
      const { position } = reader
      const missing = reader.missing()
      if (lease === undefined || position === undefined) return
      const probe = missing.filter((gap) => gap.ageMs >= PROBE_AFTER_MS).map((gap) => gap.id)
      const young = missing.filter((gap) => gap.ageMs < PROBE_AFTER_MS).map((gap) => gap.id)
      const { open, resolvedFloor } = await storage.resolveGaps({ lease, readUpTo: position.id, probe, young })
      metrics.gauge('im_feed_resolved_floor', resolvedFloor)
      metrics.gauge('im_feed_open_gaps', open.length)
      if (round % TRIM_EVERY === 0) await this.#trim()
    } catch (error) {
      logger.warn({ err: error }, 'the change feed could not be kept; another round follows')
    }
  }

  async #trim(): Promise<void> {
    const { storage, keepMs, readerLostAfterMs, logger, metrics } = this.#options
    for (;;) {
      const { deleted, lostReaders } = await storage.trimChanges({ keepMs, readerLostAfterMs, limit: TRIM_ROWS })
      for (const reader of lostReaders) logger.error({ reader }, 'a durable reader has not been seen for too long and was given up')
      if (deleted < TRIM_ROWS || this.#stopped) break
    }
    const { rows, oldestMs } = await storage.feedSize()
    metrics.gauge('im_feed_rows', rows)
    metrics.gauge('im_feed_oldest_ms', oldestMs)
  }
}
