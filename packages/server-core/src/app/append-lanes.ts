import { ImError } from '@innerline/protocol'
import type { AppendItem, AppendResult, Clock, LogStorage } from '../ports/index.js'

const MAX_BATCH_ITEMS = 100
const MAX_BATCH_BYTES = 1024 * 1024

export interface AppendLaneOptions {
  readonly storage: Pick<LogStorage, 'appendMessages'>
  readonly clock: Clock
  readonly nodeId: string
  /** Lanes of this node: batches in flight at once. */
  readonly lanes: number
  /** Items that may wait in one lane. */
  readonly queueItems: number
  /** Called after a batch has committed and before its senders are told, so that delivery never waits for them. Must not throw. */
  readonly onCommitted: (items: readonly AppendItem[], results: readonly AppendResult[], now: number) => void
}

interface Waiting {
  readonly item: AppendItem
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

/**
 * Micro-batching without linger: a lane has one batch in flight and flushes what queued meanwhile. All appends to a
 * conversation go through one lane in the order they came, so a node never reorders its own.
 */
export class AppendLanes {
  readonly #options: AppendLaneOptions
  readonly #lanes: Lane[]

  constructor(options: AppendLaneOptions) {
    this.#options = options
    this.#lanes = Array.from({ length: options.lanes }, () => new Lane(options))
  }

  /** Resolves when the item's batch has committed. Rejects `BUSY` when the lane is full, `UNAVAILABLE` on an outage. */
  append(item: AppendItem): Promise<AppendResult> {
    return (this.#lanes[laneOf(item.conversationId, this.#options.lanes)] as Lane).append(item)
  }

  /** Resolves when everything queued at the call has been answered. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.idle()))
  }

  /** Items waiting or in flight. */
  get depth(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.depth, 0)
  }
}

/** FNV-1a over the id, so that a conversation always takes the same lane. */
function laneOf(conversationId: string, lanes: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < conversationId.length; i++) hash = Math.imul(hash ^ conversationId.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % lanes
}

class Lane {
  readonly #options: AppendLaneOptions
  #queue: Waiting[] = []
  #running: Promise<void> | undefined
  #inFlight = 0

  constructor(options: AppendLaneOptions) {
    this.#options = options
  }

  get depth(): number {
    return this.#queue.length + this.#inFlight
  }

  append(item: AppendItem): Promise<AppendResult> {
    if (this.#queue.length >= this.#options.queueItems) {
      return Promise.reject(new ImError('BUSY', { detail: 'Too many messages wait to be stored.', retryAfterMs: 1_000 }))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // What is appended in the same turn travels together; a microtask is the shortest wait that allows it.
    await undefined
    while (this.#queue.length > 0) await this.#flush(this.#take())
    this.#running = undefined
  }

  #take(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { item } of this.#queue) {
      bytes += item.bodyJson.length
      if (count > 0 && (count >= MAX_BATCH_ITEMS || bytes > MAX_BATCH_BYTES)) break
      count++
    }
    if (count === this.#queue.length) {
      const all = this.#queue
      this.#queue = []
      return all
    }
    return this.#queue.splice(0, count)
  }

  async #flush(batch: readonly Waiting[]): Promise<void> {
    const { storage, clock, nodeId, onCommitted } = this.#options
    const items = batch.map((waiting) => waiting.item)
    const now = clock.now()
    this.#inFlight = batch.length
    try {
      const results = await storage.appendMessages({ nodeId, now, items })
      onCommitted(items, results, now)
      for (let i = 0; i < batch.length; i++) (batch[i] as Waiting).resolve(results[i] as AppendResult)
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    }
    this.#inFlight = 0
  }
}
