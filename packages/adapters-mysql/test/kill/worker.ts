import { ERROR_TABLE } from '@innerline/protocol'
import { type AppendItem, isImError, systemClock } from '@innerline/server-core'
import { AppendLanes } from '../../../../sim/kill/append-lanes.js'
import type { Attempt, CursorObservation, Refused } from '../../../../sim/checker/index.js'
import { appendsOf, type Load } from './load.js'
import { Chance, monotonicNow, sleep } from './messages.js'
import { openTarget, type TargetSpec } from './target.js'

/** What the parent sends to begin. */
export interface WorkerTask {
  readonly target: TargetSpec
  readonly load: Load
  /** Writers that this process runs. */
  readonly writers: readonly number[]
  /** A message that has not been settled for so long fails the run. */
  readonly settleWithinMs: number
}

export type CursorSeen = CursorObservation & { readonly epoch: number }

/** What the parent hears. */
export type WorkerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'seen'; readonly attempts: readonly Attempt[]; readonly cursors: readonly CursorSeen[] }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }

const REPORT_EVERY_MS = 50
const RETRY_MS = 30

class Worker {
  readonly #task: WorkerTask
  readonly #chance: Chance
  readonly #target
  readonly #lanes: AppendLanes
  /** Highest seq that this process saw acknowledged. */
  readonly #acknowledged = new Map<string, number>()
  #attempts: Attempt[] = []
  #cursors: CursorSeen[] = []
  #ended = false

  constructor(task: WorkerTask) {
    this.#task = task
    this.#chance = new Chance(task.load.seed + process.pid)
    this.#target = openTarget(task.target)
    this.#lanes = new AppendLanes({
      ...{ storage: this.#target, clock: systemClock, nodeId: `worker-${process.pid}`, lanes: 4, queueItems: 10_000 },
      onCommitted: () => undefined,
    })
  }

  async run(): Promise<void> {
    await this.#target.start()
    say({ kind: 'ready' })
    // All begin together, or writers of two processes would not send the same message at the same time.
    await new Promise((resolve) => process.once('message', resolve))
    const reporting = setInterval(() => this.#report(), REPORT_EVERY_MS)
    const moving = this.#moveCursors()
    await Promise.all(this.#task.writers.map((writer) => this.#write(writer)))
    this.#ended = true
    await moving
    clearInterval(reporting)
    await this.#target.close()
    this.#report()
    say({ kind: 'done' })
  }

  async #write(writer: number): Promise<void> {
    const items = appendsOf(this.#task.load, writer)
    const strand = async (): Promise<void> => {
      for (const item of items) await this.#settle(`writer ${writer}`, item)
    }
    // One iterator for all strands: together they keep `window` appends under way.
    await Promise.all(Array.from({ length: this.#task.load.window }, strand))
  }

  /** Sends the same item until the answer is one to keep, as an outbox does. */
  async #settle(writer: string, item: AppendItem): Promise<void> {
    const deadline = monotonicNow() + this.#task.settleWithinMs
    for (;;) {
      const startedAt = monotonicNow()
      const { bodyJson: content, conversationId, msgId, fromUserId, countable } = item
      const outcome = await this.#append(item)
      this.#attempts.push({ writer, conversationId, msgId, fromUserId, content, countable, startedAt, endedAt: monotonicNow(), outcome })
      if (outcome.ok) return this.#note(conversationId, outcome.seq)
      if (outcome.final) return
      if (monotonicNow() > deadline) throw new Error(`${msgId} was not settled in time; the last answer was ${outcome.code}.`)
      await sleep(RETRY_MS * (0.5 + this.#chance.next()))
    }
  }

  async #append(item: AppendItem): Promise<NonNullable<Attempt['outcome']>> {
    try {
      const result = await this.#lanes.append(item)
      if (!result.ok) return refused(result.code)
      const { seq, ord, timestamp, duplicate } = result
      return { ok: true, seq, ord, timestamp, duplicate }
    } catch (error) {
      if (!isImError(error)) throw error
      return refused(error.code)
    }
  }

  #note(conversationId: string, seq: number): void {
    this.#acknowledged.set(conversationId, Math.max(seq, this.#acknowledged.get(conversationId) ?? 0))
  }

  async #moveCursors(): Promise<void> {
    const { movesPerSecond, conversations, users } = this.#task.load
    // Few rows, so that both processes move the same ones at the same time.
    const some = conversations.slice(0, 3)
    while (!this.#ended && movesPerSecond > 0) {
      await Promise.all(Array.from({ length: 4 }, () => this.#moveOne(this.#chance.pick(some), this.#chance.pick(users.slice(0, 2)))))
      await sleep(4_000 / movesPerSecond)
    }
  }

  async #moveOne(conversationId: string, userId: string): Promise<void> {
    const seen = this.#acknowledged.get(conversationId) ?? 0
    // Often behind the others: that is what must never take a cursor back.
    const deliveredSeq = Math.max(0, seen - this.#chance.below(40))
    const readSeq = Math.max(0, deliveredSeq - this.#chance.below(40))
    try {
      const epoch = await this.#target.epoch()
      const startedAt = monotonicNow()
      const [state] = await this.#target.advanceCursors([{ conversationId, userId, deliveredSeq, readSeq }])
      if (state === undefined) throw new Error(`${userId} has no cursor in ${conversationId}.`)
      if (state.held) return
      const { deliveredSeq: delivered, readSeq: read } = state
      const at = { userId, conversationId, startedAt, endedAt: monotonicNow() }
      const seen = [
        { ...at, deliveredSeq: delivered, readSeq: read, asked: { deliveredSeq, readSeq } },
        await this.#readCursor(conversationId, userId),
      ]
      // Seen in one epoch, or not to be counted on.
      if ((await this.#target.epoch()) === epoch) for (const one of seen) this.#cursors.push({ ...one, epoch })
    } catch (error) {
      // No answer, so nothing has been seen.
      if (!isImError(error)) throw error
    }
  }

  async #readCursor(conversationId: string, userId: string): Promise<CursorObservation> {
    const startedAt = monotonicNow()
    const read = await this.#target.readMember(conversationId, userId)
    if (read?.member === undefined) throw new Error(`${userId} has no row in ${conversationId}.`)
    const { deliveredSeq, readSeq } = read.member
    return { userId, conversationId, startedAt, endedAt: monotonicNow(), deliveredSeq, readSeq }
  }

  #report(): void {
    say({ kind: 'seen', attempts: this.#attempts, cursors: this.#cursors })
    this.#attempts = []
    this.#cursors = []
  }
}

const refused = (code: string): Refused => {
  const entry = (ERROR_TABLE as Readonly<Record<string, { readonly retry: string }>>)[code]
  return { ok: false, code, final: entry?.retry === 'never' }
}

const say = (report: WorkerReport): void => {
  if (process.connected) process.send?.(report)
}

process.once('message', (task: WorkerTask) => {
  new Worker(task).run().then(
    () => process.disconnect(),
    (error: unknown) => {
      say({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      process.exitCode = 1
      process.disconnect()
      setTimeout(() => process.exit(), 1_000).unref()
    },
  )
})
// A worker never outlives its run.
process.once('disconnect', () => setTimeout(() => process.exit(), 10_000).unref())
