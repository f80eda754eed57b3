import type { Cancel, Clock, FeedStorage, Logger, Metrics } from '../ports/index.js'
import type { Change, FeedPosition } from '../domain/change.js'

const PAGE = 500
const QUIET_MS = 2_000
const BUS_DOWN_MS = 250

export interface FeedReaderOptions {
  readonly storage: Pick<FeedStorage, 'startPosition' | 'changes'>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** Whether the bus is known to flow; otherwise the feed is read four times a second. */
  readonly busHealthy: () => boolean
  readonly onChange: (change: Change) => void
  /** The position was too old or of another epoch: changes up to now are unknown. */
  readonly onStale: (position: FeedPosition, epochChanged: boolean) => void
}

/** The node's reader of the change feed: the truth behind the bus. Every 2 s, sooner when the bus is down or asks. */
export class FeedReader {
  readonly #options: FeedReaderOptions
  #position: FeedPosition | undefined
  #cancel: Cancel | undefined
  #reading: Promise<void> | undefined
  #again = false
  #stopped = true
  /** When each missing id was first missed, by the monotonic clock. */
  readonly #missingSince = new Map<number, number>()

  constructor(options: FeedReaderOptions) {
    this.#options = options
  }

  /** Takes the start position; from here on nothing is missed. Rejects when Storage does not answer. */
  async start(): Promise<FeedPosition> {
    this.#position = await this.#options.storage.startPosition()
    this.#stopped = false
    this.#note(this.#position)
    this.#schedule()
    return this.#position
  }

  get position(): FeedPosition | undefined {
    return this.#position
  }

  /** Missing ids with how long they have been missing, in ms. */
  missing(): readonly { readonly id: number; readonly ageMs: number }[] {
    const now = this.#options.clock.monotonic()
    return [...this.#missingSince].map(([id, since]) => ({ id, ageMs: now - since }))
  }

  /** Reads now, or again when a read is running (it may have looked before what is asked for). Never rejects. */
  async readNow(): Promise<void> {
    if (this.#stopped) return
    if (this.#reading !== undefined) {
      this.#again = true
      return this.#reading
    }
    this.#cancel?.()
    this.#reading = this.#readAll()
    await this.#reading
    this.#reading = undefined
    // Asked for after the last look, before this turn: the next scheduled read would be late.
    if (this.#again && !this.#stopped) return this.readNow()
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    await this.#reading
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#cancel?.()
    this.#cancel = this.#options.clock.after(this.#options.busHealthy() ? QUIET_MS : BUS_DOWN_MS, () => void this.readNow())
  }

  async #readAll(): Promise<void> {
    try {
      do {
        this.#again = false
        await this.#readToEnd()
      } while (this.#again && !this.#stopped)
    } catch (error) {
      // A storage that does not answer is asked again on schedule, not at once.
      this.#again = false
      this.#options.metrics.count('im_feed_read_failures')
      this.#options.logger.warn({ err: error }, 'the change feed cannot be read')
    }
  }

  async #readToEnd(): Promise<void> {
    for (;;) {
      const before = this.#position as FeedPosition
      const batch = await this.#options.storage.changes(before, PAGE)
      if (this.#stopped) return
      this.#position = batch.position
      this.#note(batch.position)
      if (batch.tooOld) {
        this.#options.onStale(batch.position, batch.position.epoch !== before.epoch)
        return
      }
      for (const change of batch.changes) this.#tell(change)
      if (!batch.more) return
    }
  }

  /** The position is past the batch already, so one change that cannot be handled must not take the others along. */
  #tell(change: Change): void {
    try {
      this.#options.onChange(change)
    } catch (error) {
      this.#options.logger.error({ err: error, changeId: change.id }, 'a change could not be handled')
    }
  }

  #note(position: FeedPosition): void {
    const missing = new Set(position.missing)
    for (const id of this.#missingSince.keys()) if (!missing.has(id)) this.#missingSince.delete(id)
    for (const id of missing) if (!this.#missingSince.has(id)) this.#missingSince.set(id, this.#options.clock.monotonic())
  }
}
