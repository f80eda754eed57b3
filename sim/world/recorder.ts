import type { ChatMessage, MessagePage } from '@innerline/protocol'
import type { AppendBatch, AppendItem, AppendResult, Change, CursorMove, CursorState } from '@innerline/server-core'
import type { StoredPosition } from '@innerline/sdk-client'
import type { MemoryData } from '../../packages/server-core/src/memory/data.js'
import type { Attempt, CursorObservation, FeedHistory, FinalHead, SendHistory, StoreHistory, Violation } from '../checker/index.js'
import type { Scheduler } from '../core/scheduler.js'
import { isFinal } from '../storage/database.js'

/** A send whose end is still open. */
export type MutableSend = Mutable<SendHistory>

/** What one reader of the feed has been given so far. */
export type FeedSeen = FeedHistory & { readonly changes: Change[] }

/** Positions as a client was told them, with the epoch it believes in. */
export interface Told {
  readonly deliveredSeq: number
  readonly readSeq: number
  readonly epoch: number
}

/** Fewer entries than this are read one by one. */
const LONG_BACKLOG = 900

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Writes down what the checker is to judge, and reports at once what can be wrong at once. Times are steps of the scheduler. */
export class Recorder {
  readonly attempts: Mutable<Attempt>[] = []
  readonly cursors: CursorObservation[] = []
  readonly sends: Mutable<SendHistory>[] = []
  readonly stores: StoreHistory[] = []
  readonly violations: Violation[] = []
  /** What was done to the world, by kind. */
  readonly faults = new Map<string, number>()
  /** What the workload did, by kind. */
  readonly counts = new Map<string, number>()
  readonly #feeds = new Map<string, FeedSeen>()
  /** Furthest seq that some device of the user has held, and that some app of theirs has marked read, by `user conversation`. */
  readonly held = new Map<string, number>()
  readonly marked = new Map<string, number>()
  /** When each device last lost its store. */
  readonly lostStores = new Map<string, number>()
  data: MemoryData | undefined
  readonly #unanswered = new WeakMap<AppendBatch, Mutable<Attempt>[]>()

  constructor(readonly scheduler: Scheduler) {}

  get readers(): readonly FeedHistory[] {
    return [...this.#feeds.values()]
  }

  get faultCount(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0)
  }

  fault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
  }

  violation(rule: Violation['rule'], detail: string): void {
    this.violations.push({ rule, detail: `${detail} (at ${(this.scheduler.now / 1_000).toFixed(3)} s)` })
  }

  // --- the database

  /** A batch was committed; whether its writer hears of it is another matter. */
  appended(writer: string, batch: AppendBatch, askedAt: number): void {
    const attempts = batch.items.map((item) => attemptOf(writer, item, askedAt))
    this.attempts.push(...attempts)
    this.#unanswered.set(batch, attempts)
  }

  answered(batch: AppendBatch, results: readonly AppendResult[]): void {
    this.#unanswered.get(batch)?.forEach((attempt, i) => {
      const result = results[i]
      if (result === undefined || (!result.ok && result.held === true)) return
      attempt.endedAt = this.scheduler.steps
      attempt.outcome = result.ok ? result : { ok: false, code: result.code, final: isFinal(result.code) }
    })
  }

  cursorsMoved(moves: readonly CursorMove[], states: readonly (CursorState | undefined)[], knowsEpoch: boolean): void {
    const { steps } = this.scheduler
    moves.forEach(({ userId, conversationId, deliveredSeq = 0, readSeq = 0 }, i) => {
      const state = states[i]
      if (state === undefined) return
      const end = this.data?.conversations.get(conversationId)?.headSeq ?? 0
      const asked = { deliveredSeq: Math.min(deliveredSeq, end), readSeq: Math.min(readSeq, end) }
      const log = this.#logs === 0 ? conversationId : `${conversationId} after restore ${this.#logs}`
      this.cursors.push({ userId, conversationId: log, startedAt: steps, endedAt: steps, ...state, asked })
      this.#ends.set(log, Math.max(this.#ends.get(log) ?? 0, end))
      const key = `${userId} ${conversationId}`
      if (!knowsEpoch) {
        // For up to a read of the feed a node takes positions of the old log: storage moves cursors without asking for the epoch.
        this.held.set(key, Math.max(this.held.get(key) ?? 0, state.deliveredSeq))
        this.marked.set(key, Math.max(this.marked.get(key) ?? 0, state.readSeq))
      }
      const [held, marked] = [this.held.get(key) ?? 0, this.marked.get(key) ?? 0]
      if (state.deliveredSeq > Math.max(held, marked)) {
        this.violation(
          'cursor-ahead',
          `${userId} in ${conversationId}: delivered ${state.deliveredSeq}, no device has held more than ${held}`,
        )
      }
      if (state.readSeq > marked) {
        this.violation('cursor-ahead', `${userId} in ${conversationId}: read ${state.readSeq}, nobody has read beyond ${marked}`)
      }
    })
  }

  /** The heads as they are where a reader begins; it counts once the position has reached it. */
  feedFrom(reader: string): FeedSeen {
    const startHeads = Object.fromEntries([...(this.data?.conversations ?? [])].map(([id, { headSeq }]) => [id, headSeq]))
    return { reader, startHeads, changes: [] }
  }

  feedBegan(seen: FeedSeen | undefined): void {
    if (seen !== undefined) this.#feeds.set(seen.reader, seen)
  }

  feedRead(seen: FeedSeen, changes: readonly Change[]): void {
    seen.changes.push(...changes)
  }

  /** The reader was sent back to a start, or its process is no more: it is owed nothing. */
  feedEnded({ reader }: FeedSeen): void {
    this.#feeds.delete(reader)
  }

  processEnded(name: string): void {
    for (const reader of this.#feeds.keys()) if (reader.startsWith(`${name} `)) this.#feeds.delete(reader)
  }

  /** A host's consumer has begun: what was committed before the first of them is not promised to any. */
  listens(): void {
    const all = [...(this.data?.conversations.values() ?? [])]
    this.heardFrom ??= new Map(all.map(({ conversationId, headSeq }) => [conversationId, headSeq]))
  }

  heardFrom: ReadonlyMap<string, number> | undefined

  /** A host's consumer was given a record. */
  heard(conversationId: string, seq: number): void {
    this.events.add(`${conversationId}#${seq}`)
  }

  readonly events = new Set<string>()

  // --- the devices

  stored(
    userId: string,
    store: StoreHistory,
    conversationId: string,
    rows: readonly ChatMessage[],
    position: StoredPosition | undefined,
    epoch: number,
  ): void {
    // A device that has not heard of a restore goes on with what was.
    if (epoch < this.#logEpoch) return
    const key = `${userId} ${conversationId}`
    this.held.set(key, Math.max(this.held.get(key) ?? 0, position?.lastSeq ?? 0))
    const conversation = this.data?.conversations.get(conversationId)
    const beginsAfter = (conversation?.members.get(userId)?.visibleFrom ?? 1) - 1
    this.#wholeStore(`${store.store} ${epoch} ${conversationId}`, position, beginsAfter)
    for (const row of rows) {
      if (conversation?.at(row.seq)?.msgId === row.msgId) continue
      this.violation(
        'store-foreign',
        `${store.store} takes ${row.msgId} as ${conversationId}#${row.seq}, which the log does not have there`,
      )
    }
  }

  /** A store begins anew beyond what it held only where the backlog was too long to be read through. */
  #wholeStore(key: string, position: StoredPosition | undefined, beginsAfter: number): void {
    const before = Math.max(beginsAfter, this.#positions.get(key)?.lastSeq ?? 0)
    if (position === undefined) return
    this.#positions.set(key, position)
    const { lowSeq } = position
    if (lowSeq <= before || lowSeq - before > LONG_BACKLOG) return
    this.violation('store-hole', `${key} held everything up to ${before} and has given it up for what comes after ${lowSeq}`)
  }

  readonly #positions = new Map<string, StoredPosition>()

  /** A message posted by REST: as a send, without an outbox behind it. */
  posted(
    device: { readonly name: string; readonly userId: string },
    app: string,
    msgId: string,
    conversationId: string,
    content: string,
    unordered = false,
  ): MutableSend {
    this.count('send')
    const { name, userId } = device
    const send = {
      app,
      device: name,
      userId,
      msgId,
      conversationId,
      content,
      startedAt: this.scheduler.steps,
      appEnded: false,
      revived: false,
      unordered,
    }
    this.sends.push(send)
    return send
  }

  settled(send: MutableSend, outcome: NonNullable<SendHistory['outcome']>): void {
    send.endedAt = this.scheduler.steps
    send.outcome = outcome
    const { conversationId, msgId } = send
    if (!outcome.ok || this.excused.has(msgId)) return
    this.#acknowledged.set(conversationId, Math.max(this.#acknowledged.get(conversationId) ?? 0, outcome.seq))
  }

  /** A page of history is asked for; returns what judges it: all of it in the log, and nothing missing that was acknowledged before. */
  pageAsked(
    device: string,
    conversationId: string,
    query: { readonly beforeSeq?: number; readonly afterSeq?: number },
  ): (page: MessagePage) => void {
    const acknowledged = this.#acknowledged.get(conversationId) ?? 0
    const askedOf = this.#logEpoch
    return ({ messages, hasMore, epoch }) => {
      this.count('history')
      if (epoch < this.#logEpoch) return
      const conversation = this.data?.conversations.get(conversationId)
      messages.forEach(({ seq, msgId }, i) => {
        const hole = i > 0 && seq !== (messages[i - 1]?.seq ?? 0) + 1
        if (conversation?.at(seq)?.msgId === msgId && !hole) return
        this.violation('view-foreign', `${device} reads ${msgId} as ${conversationId}#${seq} in a page${hole ? ' with a hole' : ''}`)
      })
      if (query.beforeSeq !== undefined || (query.afterSeq !== undefined && hasMore)) return
      const last = Math.max(messages.at(-1)?.seq ?? 0, query.afterSeq ?? 0)
      if (last >= acknowledged || askedOf !== this.#logEpoch) return
      this.violation('stale-read', `${device} reads ${conversationId} up to ${last}, ${acknowledged} had been acknowledged before it asked`)
    }
  }

  /** The highest seq of each conversation that some client was told of. */
  #acknowledged = new Map<string, number>()
  /** The epoch that the last restore began: what belongs to an older one is of another log. */
  #logEpoch = 0

  /** A backup was played in: what it lost is excused, and what is counted begins anew. */
  restored(lost: readonly { readonly msgId: string }[]): void {
    for (const { msgId } of lost) this.excused.add(msgId)
    this.#acknowledged = new Map()
    this.#logEpoch = this.data?.epoch ?? 0
    this.#feeds.clear()
    this.held.clear()
    this.marked.clear()
    for (const { conversationId, members } of this.data?.conversations.values() ?? []) {
      for (const { userId, deliveredSeq, readSeq } of members.values()) {
        this.held.set(`${userId} ${conversationId}`, deliveredSeq)
        this.marked.set(`${userId} ${conversationId}`, readSeq)
      }
    }
    this.#logs++
  }

  /** msgIds that a restore has taken out of the log: whoever was told of them was told the truth of then. */
  readonly excused = new Set<string>()
  #logs = 0
  readonly #ends = new Map<string, number>()

  /** How far each log went while cursors moved in it. */
  get cursorHeads(): readonly FinalHead[] {
    return [...this.#ends].map(([conversationId, headSeq]) => ({ conversationId, headSeq, headOrd: 0 }))
  }

  appEnded(app: string): void {
    for (const send of this.sends) if (send.app === app && send.endedAt === undefined) send.appEnded = true
  }

  /** Its outbox is gone with it: what was unsettled may stay so. */
  storeLost(device: string): void {
    this.lostStores.set(device, this.scheduler.steps)
  }

  revived(device: string, msgId: string): void {
    for (const send of this.sends) if (send.device === device && send.msgId === msgId) send.revived = true
  }

  /** What a client is told of a peer, which it shows as ticks. */
  tick(device: string, conversationId: string, userId: string, { deliveredSeq, readSeq, epoch }: Told): void {
    if (epoch < this.#logEpoch) return
    const row = this.data?.conversations.get(conversationId)?.members.get(userId)
    if (deliveredSeq <= (row?.deliveredSeq ?? 0) && readSeq <= (row?.readSeq ?? 0)) return
    const detail = `${device} shows ${userId} in ${conversationId} at ${deliveredSeq}/${readSeq}, who is at ${row?.deliveredSeq}/${row?.readSeq}`
    this.violation('tick-ahead', detail)
  }

  read(userId: string, conversationId: string, seq: number, epoch: number): void {
    if (epoch < this.#logEpoch) return
    const key = `${userId} ${conversationId}`
    this.marked.set(key, Math.max(this.marked.get(key) ?? 0, seq))
  }
}

const attemptOf = (writer: string, item: AppendItem, startedAt: number): Mutable<Attempt> => {
  const { conversationId, msgId, fromUserId, bodyJson: content, countable } = item
  return { writer, conversationId, msgId, fromUserId, content, countable, startedAt }
}
