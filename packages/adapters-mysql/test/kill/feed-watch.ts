import { type FeedPosition, isImError, type Lease } from '@innerline/server-core'
import type { FeedHistory, SeenChange } from '../../../../sim/checker/index.js'
import { monotonicNow, sleep } from './messages.js'
import type { KillTarget } from './target.js'

const READ_EVERY_MS = 20
const LIMIT = 200
const PROBE_AFTER_MS = 1_000
const LEASE_MS = 5_000

/** A reader of the change feed as a node has one, which also closes gaps when it is the one to hold the lease. */
export class FeedWatch {
  readonly #name: string
  readonly #target: KillTarget
  readonly #conversations: readonly string[]
  readonly #changes: SeenChange[] = []
  /** When an id was first missed. */
  readonly #missedAt = new Map<number, number>()
  readonly #epochs = new Set<number>()
  readonly #running: Promise<void>
  #startHeads: Record<string, number> = {}
  #position: FeedPosition | undefined
  #stopped = false
  #floor = 0
  /** Reads and resolvings that were refused for now. */
  failures = 0

  constructor(
    name: string,
    target: KillTarget,
    conversations: readonly string[],
    private readonly resolves: boolean,
  ) {
    this.#name = name
    this.#target = target
    this.#conversations = conversations
    this.#running = this.#run()
    this.#running.catch(() => undefined)
  }

  /** Resolves when it has its start position. */
  async started(): Promise<void> {
    while (this.#position === undefined) await Promise.race([sleep(READ_EVERY_MS), this.#running])
  }

  /** Highest floor that this reader's resolving has reached. */
  get resolvedFloor(): number {
    return this.#floor
  }

  /** How many it has read in: when the epoch changes under it, it begins anew. */
  get epochsSeen(): number {
    return this.#epochs.size
  }

  get openGaps(): number {
    return this.#position?.missing.length ?? 0
  }

  /** Reads until a round brings nothing and no gap is left (`gapsMayStay`: nothing resolves them), at most for `withinMs`. */
  async finish(withinMs: number, gapsMayStay: boolean): Promise<FeedHistory> {
    const deadline = monotonicNow() + withinMs
    for (let quiet = 0; quiet < 3; ) {
      const before = this.#changes.length
      await Promise.race([sleep(5 * READ_EVERY_MS), this.#running])
      quiet = this.#position !== undefined && this.#changes.length === before && (gapsMayStay || this.openGaps === 0) ? quiet + 1 : 0
      if (monotonicNow() > deadline) throw new Error(`${this.#name} did not come to rest: ${this.openGaps} ids are still missing.`)
    }
    this.#stopped = true
    await this.#running
    return { reader: this.#name, startHeads: this.#startHeads, changes: this.#changes }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (this.#position === undefined) await this.#begin()
        else if (!(await this.#read(this.#position))) await sleep(READ_EVERY_MS)
        if (this.resolves) await this.#resolve()
      } catch (error) {
        if (!isImError(error)) throw error
        this.failures++
        await sleep(READ_EVERY_MS)
      }
    }
  }

  async #begin(): Promise<void> {
    const position = await this.#target.startPosition()
    // In this order, as an attach does: what is committed in between is in both.
    const heads = await this.#target.readHeads(this.#conversations)
    this.#startHeads = Object.fromEntries(heads.map((head) => [head.conversationId, head.headSeq]))
    this.#position = position
    this.#epochs.add(position.epoch)
  }

  async #read(from: FeedPosition): Promise<boolean> {
    const { changes, position, tooOld, more } = await this.#target.changes(from, LIMIT)
    if (tooOld) {
      if (position.epoch === from.epoch) throw new Error(`${this.#name} was told that its position is too old.`)
      // As a node does: nothing that was seen before counts any more.
      this.#changes.length = 0
      this.#missedAt.clear()
      this.#position = undefined
      return true
    }
    for (const { id, kind, conversationId, firstSeq, lastSeq } of changes)
      this.#changes.push({ id, kind, conversationId, firstSeq, lastSeq })
    this.#position = position
    const missing = new Set(position.missing)
    for (const id of this.#missedAt.keys()) if (!missing.has(id)) this.#missedAt.delete(id)
    for (const id of missing) if (!this.#missedAt.has(id)) this.#missedAt.set(id, monotonicNow())
    return more
  }

  #lastResolve = 0
  async #resolve(): Promise<void> {
    const now = monotonicNow()
    if (this.#position === undefined || now - this.#lastResolve < 200) return
    this.#lastResolve = now
    const { id: readUpTo } = this.#position
    const gaps = [...this.#missedAt]
    const probe = gaps.filter(([, since]) => now - since >= PROBE_AFTER_MS).map(([id]) => id)
    const young = gaps.filter(([, since]) => now - since < PROBE_AFTER_MS).map(([id]) => id)
    const lease: Lease | undefined = await this.#target.acquireLease({ name: 'kill-feed', holder: this.#name, ttlMs: LEASE_MS })
    if (lease === undefined) return
    const { resolvedFloor } = await this.#target.resolveGaps({ lease, readUpTo, probe, young })
    this.#floor = Math.max(this.#floor, resolvedFloor)
  }
}
