import { ImError } from '@innerline/protocol'
import type { AppendItem, AppendResult, Cancel, Clock, LogStorage } from '../ports/index.js'
import { ReadyAppends, Room, type Waiting } from './ready-appends.js'

/** How long an item may wait, for its batch or for a conversation that another transaction keeps locked. */
const MAX_WAIT_MS = 10_000
/** A batch that lasts so long waits for somebody's lock or for the disk: others go round it. */
const LASTING_MS = 20

export interface AppendLaneOptions {
  readonly storage: Pick<LogStorage, 'appendMessages'>
  readonly clock: Clock
  readonly nodeId: string
  /** Lanes of this node: batches in flight at most. */
  readonly lanes: number
  /** Items that may wait for one conversation, and on average for one lane. */
  readonly queueItems: number
  /** Called after a batch has committed and before its senders are told, so that delivery never waits for them. Must not throw. */
  readonly onCommitted: (items: readonly AppendItem[], results: readonly AppendResult[], now: number) => void
}

/**
 * Micro-batching without linger. What comes while a batch is in flight travels in the next one; a further lane is used only for a full
 * batch, or when those in flight last: a transaction costs the database far more than an item in it, so half-empty ones side by side
 * are slower than one after another. A conversation is in one batch at a time, so a node never reorders its own. One that another
 * transaction keeps locked leaves its lane with what follows, and comes back when it has caught up.
 */
export class AppendLanes {
  readonly #options: AppendLaneOptions
  readonly #ready = new ReadyAppends()
  /** Conversations in a batch, or held, with what waits behind that, in order. */
  readonly #busy = new Map<string, Waiting[]>()
  /** Lanes in use, with the monotonic ms at which their batch began. */
  readonly #inUse = new Map<Promise<void>, number>()
  readonly #catchingUp = new Set<Promise<void>>()
  #queued = 0
  #inFlight = 0
  #waking = false
  #cancelLook: Cancel | undefined

  constructor(options: AppendLaneOptions) {
    this.#options = options
  }

  /** Resolves when the item's batch has committed. Rejects `BUSY` when too many wait, `UNAVAILABLE` on an outage. */
  append(item: AppendItem): Promise<AppendResult> {
    const { lanes, queueItems, clock } = this.#options
    const { conversationId } = item
    const behind = this.#busy.get(conversationId)
    const own = behind?.length ?? this.#ready.countOf(conversationId)
    // One conversation alone never takes the room of all.
    if (own >= queueItems || this.#queued >= lanes * queueItems) {
      return Promise.reject(busy('Too many messages wait to be stored.'))
    }
    return new Promise((resolve, reject) => {
      const waiting = { item, since: clock.monotonic(), resolve, reject }
      this.#queued++
      if (behind !== undefined) {
        behind.push(waiting)
        return
      }
      this.#ready.add(conversationId, [waiting])
      this.#wake()
    })
  }

  /** Resolves when everything queued at the call has been answered. */
  async idle(): Promise<void> {
    while (this.#busy.size > 0 || !this.#ready.isEmpty) {
      await undefined
      await Promise.all([...this.#inUse.keys(), ...this.#catchingUp])
    }
  }

  /** Items waiting or in flight. */
  get depth(): number {
    return this.#queued + this.#inFlight
  }

  /** What is appended in the same turn travels together; a microtask is the shortest wait that allows it. */
  #wake(): void {
    if (this.#waking) return
    this.#waking = true
    void Promise.resolve().then(() => {
      this.#waking = false
      this.#start()
    })
  }

  #start(): void {
    const { lanes, clock } = this.#options
    while (!this.#ready.isEmpty && this.#inUse.size < lanes && (this.#ready.fillBatch || this.#untilLasting() <= 0)) {
      const carried = this.#carry().then(() => {
        this.#inUse.delete(carried)
        this.#wake()
      })
      this.#inUse.set(carried, clock.monotonic())
    }
    this.#lookAgain()
  }

  /** Ms until every batch in flight lasts. */
  #untilLasting(): number {
    return Math.max(...this.#inUse.values()) + LASTING_MS - this.#options.clock.monotonic()
  }

  /** What waits for the batches in flight is looked at again when they last. */
  #lookAgain(): void {
    if (!this.#ready.isEmpty && this.#inUse.size < this.#options.lanes) {
      this.#cancelLook ??= this.#options.clock.after(Math.max(0, this.#untilLasting()), () => {
        this.#cancelLook = undefined
        this.#start()
      })
      return
    }
    this.#cancelLook?.()
    this.#cancelLook = undefined
  }

  /** Stores the next batch. Never rejects. */
  async #carry(): Promise<void> {
    const { waiting, conversations, stale } = this.#ready.takeBatch(this.#options.clock.monotonic() - MAX_WAIT_MS)
    for (const [conversationId, rest] of conversations) this.#busy.set(conversationId, rest)
    // Their senders have given up by now and send them again: storing them too late would only make a slow storage slower.
    this.#refuse(stale, 'The message waited too long to be stored.')
    if (waiting.length === 0) return
    this.#queued -= waiting.length
    const held = new Map<string, Waiting[]>()
    for (const each of await this.#flush(waiting, 0)) {
      const { conversationId } = each.item
      held.set(conversationId, [...(held.get(conversationId) ?? []), each])
    }
    for (const [conversationId, rest] of conversations) {
      const own = held.get(conversationId)
      if (own === undefined) this.#leave(conversationId, rest)
      else this.#hold(conversationId, own, rest)
    }
  }

  /** A conversation is in no batch any more; what came meanwhile may travel. */
  #leave(conversationId: string, rest: readonly Waiting[]): void {
    this.#busy.delete(conversationId)
    if (rest.length > 0) this.#ready.add(conversationId, rest)
  }

  /** Keeps a held conversation apart with what waits behind it, so that it delays nobody else. */
  #hold(conversationId: string, held: readonly Waiting[], rest: readonly Waiting[]): void {
    const items = [...held, ...rest]
    this.#queued += held.length
    this.#busy.set(conversationId, items)
    const done = this.#catchUp(conversationId, items).then(() => void this.#catchingUp.delete(done))
    this.#catchingUp.add(done)
  }

  /** Appends a held conversation's items beside the lanes, in their order, until none is left. */
  async #catchUp(conversationId: string, items: Waiting[]): Promise<void> {
    const { clock } = this.#options
    for (let oldest = items[0]; oldest !== undefined; oldest = items[0]) {
      const waitMs = oldest.since + MAX_WAIT_MS - clock.monotonic()
      if (waitMs <= 0) {
        this.#refuse(items.splice(0, 1), HELD)
        continue
      }
      const batch = new Room().take(items)
      this.#queued -= batch.length
      for (const waiting of await this.#flush(batch, waitMs)) waiting.reject(busy(HELD))
    }
    this.#busy.delete(conversationId)
  }

  #refuse(waiting: readonly Waiting[], detail: string): void {
    this.#queued -= waiting.length
    for (const { reject } of waiting) reject(busy(detail))
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

const HELD = 'Another transaction keeps this conversation locked.'
const busy = (detail: string): ImError => new ImError('BUSY', { detail, retryAfterMs: 1_000 })
