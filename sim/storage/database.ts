import { ERROR_TABLE, ImError } from '@innerline/protocol'
import type { AppendBatch, AppendResult, ChangeBatch, CursorMove, CursorState, FeedPosition, Storage } from '@innerline/server-core'
import { memoryControls, type MemoryControls } from '../../packages/server-core/src/memory/controls.js'
import { type Conversation, createMemoryData, type MemoryData } from '../../packages/server-core/src/memory/data.js'
import { memoryStorage } from '../../packages/server-core/src/memory/storage.js'
import { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import type { Scheduler } from '../core/scheduler.js'
import type { Trace } from '../core/trace.js'
import type { FeedSeen, Recorder } from '../world/recorder.js'

/** What the database does to calls; chances are per call, times in ms. */
export interface DatabaseConditions {
  delayMs: number
  /** Refused before anything was done. */
  refused: number
  /** Done, but the answer is lost. */
  lostAnswer: number
  slow: number
  slowMs: number
  /** An append that keeps its heads locked and its change ids to itself for a while, or rolls back. */
  held: number
  heldMs: number
}

/** How things stood when a call was made. */
interface Asked {
  readonly askedAt: number
  /** The epoch its node believed in; undefined for nodes that are no more. */
  readonly epoch: number | undefined
}

/** Called around each call of a node; a fault may end the node there. */
export type CallWatch = (process: Process, method: string, phase: 'asked' | 'done') => void

/** The machine of the database: one memory storage behind a network that delays, refuses and loses. */
export class Database {
  readonly data: MemoryData = createMemoryData()
  readonly machine: Process
  /** The storage itself, without a network. */
  readonly admin: Storage
  readonly controls: MemoryControls
  watch: CallWatch = () => {}
  /** The epoch that a node believes in. */
  epochOf: (process: Process) => number | undefined = () => undefined
  /** Called when a node hears that its place in the feed is no more. */
  onStale: (process: Process) => void = () => {}
  readonly #feeds = new WeakMap<FeedPosition, FeedSeen>()

  constructor(
    readonly scheduler: Scheduler,
    readonly random: Random,
    readonly conditions: DatabaseConditions,
    readonly recorder: Recorder,
    readonly trace: Trace,
  ) {
    this.machine = new Process('database', scheduler, random.fork('machine'))
    this.admin = memoryStorage({ clock: this.machine.clock, data: this.data })
    this.controls = memoryControls(this.admin)
  }

  /** Takes the newest entries off some conversations and raises the epoch. Returns what is gone. */
  restore(random: Random): readonly { readonly conversationId: string; readonly seq: number; readonly msgId: string }[] {
    const { data } = this
    const lost: { conversationId: string; seq: number; msgId: string }[] = []
    for (const conversation of data.conversations.values()) {
      const { conversationId, entries } = conversation
      if (data.heldHeads.has(conversationId) || !random.chance(0.6)) continue
      for (const { seq, msgId } of entries.splice(Math.max(0, entries.length - 1 - random.int(6)))) {
        data.byMsgId.delete(msgId)
        lost.push({ conversationId, seq, msgId })
      }
      truncate(conversation)
    }
    data.epoch++
    return lost
  }

  /** The port as one node has it. */
  connect(process: Process): Storage {
    const own = memoryStorage({ clock: this.machine.clock, data: this.data })
    return new Proxy(own, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function' || typeof name !== 'string') return value
        return (...args: unknown[]) => this.#call(process, name, args, () => value.apply(target, args) as Promise<unknown>)
      },
    })
  }

  #call(process: Process, method: string, args: readonly unknown[], execute: () => Promise<unknown>): Promise<unknown> {
    const { random, conditions, scheduler, trace } = this
    const asked = { askedAt: scheduler.steps, epoch: this.epochOf(process) }
    // Letting go of a storage asks nothing of the database.
    const fallible = method !== 'close'
    const [refused, lost] = [fallible && random.chance(conditions.refused), fallible && random.chance(conditions.lostAnswer)]
    this.watch(process, method, 'asked')
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => void scheduler.after(this.#delay(), process, settle)
      const unavailable = (detail: string): void => {
        trace.line('database', () => `${detail} ${method} of ${process.name}`)
        this.recorder.fault(`database ${detail}`)
        answer(() => reject(new ImError('UNAVAILABLE', { detail: `${detail} ${method}`, retryAfterMs: 100 + random.int(900) })))
      }
      if (refused) {
        unavailable('refuses')
        return
      }
      scheduler.after(this.#delay(), this.machine, () => {
        const done = this.#execute(process, method, args, execute)
        done.then(
          (result) => {
            this.#observe(process, method, args, result, asked)
            this.watch(process, method, 'done')
            if (lost) unavailable('loses the answer to')
            else
              answer(() => {
                this.#observeAnswer(process, method, args, result)
                resolve(result)
              })
          },
          (error: unknown) => answer(() => reject(error)),
        )
      })
    })
  }

  #delay(): number {
    const { random, conditions } = this
    return random.exponential(random.chance(conditions.slow) ? conditions.slowMs : conditions.delayMs)
  }

  #execute(process: Process, method: string, args: readonly unknown[], execute: () => Promise<unknown>): Promise<unknown> {
    if (method !== 'appendMessages' || !this.random.chance(this.conditions.held)) return execute()
    return this.#holdAppend(process, args[0] as AppendBatch) ?? execute()
  }

  /** The append as a transaction that takes its time; undefined where another has one of its heads. */
  #holdAppend(process: Process, batch: AppendBatch): Promise<unknown> | undefined {
    const { random, data, scheduler, trace } = this
    if (batch.items.some(({ conversationId }) => data.heldHeads.has(conversationId))) return undefined
    const [forMs, commits] = [random.exponential(this.conditions.heldMs), random.chance(0.7)]
    trace.line(
      'database',
      () => `holds an append of ${process.name} for ${forMs.toFixed(0)} ms, then ${commits ? 'commits' : 'rolls back'}`,
    )
    this.recorder.fault('held append')
    return this.controls.holdAppend(batch).then(
      (held) =>
        new Promise((resolve, reject) => {
          // A frozen or dead writer's locks are taken from it after 3 s, as sessions have it.
          scheduler.after(Math.min(forMs, 3_000), this.machine, () => {
            if (commits) void held.commit().then(resolve)
            else {
              void held.rollback().then(() => reject(new ImError('UNAVAILABLE', { detail: 'rolled back', retryAfterMs: 200 })))
            }
          })
        }),
    )
  }

  #observe(process: Process, method: string, args: readonly unknown[], result: unknown, { askedAt, epoch }: Asked): void {
    const { recorder } = this
    if (method === 'appendMessages') recorder.appended(process.name, args[0] as AppendBatch, askedAt)
    else if (method === 'advanceCursors') {
      recorder.cursorsMoved(args[0] as readonly CursorMove[], result as readonly (CursorState | undefined)[], epoch === this.data.epoch)
    } else if (method === 'changes' && (result as ChangeBatch).tooOld) {
      this.#feeds.set((result as ChangeBatch).position, recorder.feedFrom(`${process.name} from step ${this.scheduler.steps}`))
    } else if (method === 'startPosition') {
      const reader = `${process.name} from step ${this.scheduler.steps}`
      this.#feeds.set(result as FeedPosition, recorder.feedFrom(reader))
    }
  }

  /** Of the feed only what a node was really given counts: a lost page is read again. */
  #observeAnswer(process: Process, method: string, args: readonly unknown[], result: unknown): void {
    if (method === 'appendMessages') this.recorder.answered(args[0] as AppendBatch, result as readonly AppendResult[])
    else if (method === 'startPosition') this.recorder.feedBegan(this.#feeds.get(result as FeedPosition))
    if (method !== 'changes') return
    const batch = result as ChangeBatch
    const reader = this.#feeds.get(args[0] as FeedPosition)
    if (reader === undefined) return
    if (batch.tooOld) {
      // What lay in between is made good by attaching everybody again, not by the feed.
      this.recorder.feedEnded(reader)
      this.recorder.feedBegan(this.#feeds.get(batch.position))
      this.onStale(process)
      return
    }
    this.recorder.feedRead(reader, batch.changes)
    this.#feeds.set(batch.position, reader)
  }
}

/** Makes head and members agree with a log that has become shorter. */
function truncate(conversation: Conversation): void {
  const last = conversation.entries.at(-1)
  conversation.headSeq = last?.seq ?? conversation.lowSeq - 1
  conversation.headOrd = last?.ord ?? conversation.lowOrd
  conversation.last = last
  conversation.lastPreview = ''
  for (const row of conversation.members.values()) {
    row.readSeq = Math.min(row.readSeq, conversation.headSeq)
    row.deliveredSeq = Math.min(row.deliveredSeq, conversation.headSeq)
    row.readOrd = conversation.ordAt(row.readSeq)
    row.sentOrd = conversation.entries.findLast(({ fromUserId }) => fromUserId === row.userId)?.ord ?? 0
  }
}

/** Whether a refusal of this code tells its sender never to try again. */
export const isFinal = (code: keyof typeof ERROR_TABLE): boolean => ERROR_TABLE[code].retry === 'never'
