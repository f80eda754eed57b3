import { ImError } from '@innerline/protocol'
import type { AppendItem, AppendResult, Clock, LogStorage } from '../ports/index.js'

const MAX_BATCH_ITEMS = 100
const MAX_BATCH_BYTES = 1024 * 1024
/** How long an item may wait, in its lane or for a conversation that another transaction keeps locked. */
const MAX_WAIT_MS = 10_000

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
  /** Monotonic ms at which it came. */
  readonly since: number
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

/**
 * Micro-batching without linger: a lane has one batch in flight and flushes what queued meanwhile. All appends to a
 * conversation go through one lane in the order they came, so a node never reorders its own. A conversation that
 * another transaction keeps locked leaves its lane with what follows, and comes back when it has caught up.
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
  /** Held conversations with what waits for them, in order. */
  readonly #held = new Map<string, Waiting[]>()
  readonly #catchingUp = new Set<Promise<void>>()
  #running: Promise<void> | undefined
  #inFlight = 0

  constructor(options: AppendLaneOptions) {
    this.#options = options
  }

  get depth(): number {
    return this.#queue.length + this.#inFlight + this.#heldItems
  }

  get #heldItems(): number {
    let items = 0
    for (const waiting of this.#held.values()) items += waiting.length
    return items
  }

  append(item: AppendItem): Promise<AppendResult> {
    if (this.#queue.length + this.#heldItems >= this.#options.queueItems) {
      return Promise.reject(new ImError('BUSY', { detail: 'Too many messages wait to be stored.', retryAfterMs: 1_000 }))
    }
    return new Promise((resolve, reject) => {
      const waiting = { item, since: this.#options.clock.monotonic(), resolve, reject }
      const held = this.#held.get(item.conversationId)
      if (held !== undefined) {
        held.push(waiting)
        return
      }
      this.#queue.push(waiting)
      this.#running ??= this.#run()
    })
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined || this.#held.size > 0) {
      await this.#running
      await Promise.all(this.#catchingUp)
    }
  }

  async #run(): Promise<void> {
    // What is appended in the same turn travels together; a microtask is the shortest wait that allows it.
    await undefined
    for (this.#refuseStale(); this.#queue.length > 0; this.#refuseStale()) {
      const held = await this.#flush(take(this.#queue), 0)
      if (held.length > 0) this.#hold(held)
    }
    this.#running = undefined
  }

  /** Its sender has given up by now and sends it again: storing it too late would only make a slow storage slower. */
  #refuseStale(): void {
    const oldest = this.#options.clock.monotonic() - MAX_WAIT_MS
    while (this.#queue[0] !== undefined && this.#queue[0].since <= oldest) {
      this.#queue.shift()?.reject(new ImError('BUSY', { detail: 'The message waited too long to be stored.', retryAfterMs: 1_000 }))
    }
  }

  /** Takes conversations out of the lane, with everything that queues for them, so that they delay nobody else. */
  #hold(held: readonly Waiting[]): void {
    const started = new Map<string, Waiting[]>(held.map(({ item }) => [item.conversationId, []]))
    for (const waiting of [...held, ...this.#queue]) started.get(waiting.item.conversationId)?.push(waiting)
    this.#queue = this.#queue.filter((waiting) => !started.has(waiting.item.conversationId))
    for (const [conversationId, items] of started) {
      this.#held.set(conversationId, items)
      const done = this.#catchUp(conversationId, items).then(() => void this.#catchingUp.delete(done))
      this.#catchingUp.add(done)
    }
  }

  /** Appends a held conversation's items beside the lane, in their order, until none is left. */
  async #catchUp(conversationId: string, items: Waiting[]): Promise<void> {
    const { clock } = this.#options
    while (items.length > 0) {
      const oldest = items[0] as Waiting
      const waitMs = oldest.since + MAX_WAIT_MS - clock.monotonic()
      if (waitMs <= 0) {
        items.shift()
        oldest.reject(heldTooLong())
        continue
      }
      for (const waiting of await this.#flush(take(items), waitMs)) waiting.reject(heldTooLong())
    }
    this.#held.delete(conversationId)
  }

  /** One batch; those whose conversation is held are returned instead of answered. Never rejects. */
  async #flush(batch: readonly Waiting[], waitMs: number): Promise<readonly Waiting[]> {
    const { storage, clock, nodeId, onCommitted } = this.#options
    const items = batch.map((waiting) => waiting.item)
    const now = clock.now()
    this.#inFlight += batch.length
    try {
      const results = await storage.appendMessages({ nodeId, now, items, waitMs })
      onCommitted(items, results, now)
      const held: Waiting[] = []
      for (let i = 0; i < batch.length; i++) {
        const [waiting, result] = [batch[i] as Waiting, results[i] as AppendResult]
        if (!result.ok && result.held === true) held.push(waiting)
        else waiting.resolve(result)
      }
      return held
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
      return []
    } finally {
      this.#inFlight -= batch.length
    }
  }
}

/** Takes the front of a queue, up to the limits of a batch. */
function take(queue: Waiting[]): Waiting[] {
  let bytes = 0
  let count = 0
  for (const { item } of queue) {
    bytes += item.bodyJson.length
    if (count > 0 && (count >= MAX_BATCH_ITEMS || bytes > MAX_BATCH_BYTES)) break
    count++
  }
  return queue.splice(0, count)
}

const heldTooLong = (): ImError =>
  new ImError('BUSY', { detail: 'Another transaction keeps this conversation locked.', retryAfterMs: 1_000 })
