import { randomBytes } from 'node:crypto'
import { type AppendItem, isImError, type Storage, systemClock } from '@innerline/server-core'
import type { Attempt, CursorObservation } from '../../../../sim/checker/index.js'
import { AppendLanes } from '../../../../sim/kill/append-lanes.js'
import { mysqlStorage } from '../../src/index.js'
import { messageOf, monotonicNow, sleep } from './messages.js'

const PAUSE_MS = 60
/** The user whose cursor the frozen process's own append raises. */
export const USER = 'user-0'

/** From a call to its answer; still open without an end. */
export interface Span {
  readonly startedAt: number
  readonly endedAt?: number | undefined
}

/** Appends on the same server, by the same process, in tables that nobody else touches: what they take is the machine's doing. */
export class Control {
  readonly #storage: Storage
  readonly #conversationId = `g~control-${randomBytes(5).toString('hex')}`
  readonly #spans: { readonly startedAt: number; readonly endedAt: number }[] = []
  #stopped = false
  #running: Promise<void> = Promise.resolve()

  constructor(uri: string) {
    this.#storage = mysqlStorage({ uri, namespace: `c${randomBytes(5).toString('hex')}`, logger: { warn: () => undefined } })
  }

  async start(): Promise<void> {
    await this.#storage.start()
    const conversation = { conversationId: this.#conversationId, chatType: 'group', userIds: [USER] } as const
    await this.#storage.openConversation({ ...conversation, nodeId: 'control', now: Date.now() })
  }

  run(): void {
    this.#running = this.#append()
    this.#running.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async close(): Promise<void> {
    await this.stop().catch(() => undefined)
    await this.#storage.close()
  }

  async #append(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const startedAt = monotonicNow()
      const items = [messageOf(`control/${n}`, this.#conversationId, USER)]
      await this.#storage.appendMessages({ nodeId: 'control', now: Date.now(), items })
      this.#spans.push({ startedAt, endedAt: monotonicNow() })
      await sleep(PAUSE_MS / 3)
    }
  }

  /** The longest that was under way between these two moments. */
  slowest(from: number, to: number): number {
    return this.#spans
      .filter(({ startedAt, endedAt }) => startedAt < to && endedAt > from)
      .reduce((most, { startedAt, endedAt }) => Math.max(most, endedAt - startedAt), 0)
  }

  /** What is left of a time when the machine's doing is taken off: as often as an append's own way was gone in it. */
  beyond(from: number, to: number, ways: number): number {
    return Math.max(0, to - from - ways * this.slowest(from, to))
  }
}

/** Other writers: one strand to each conversation, all through one node's lanes, and two that move cursors: the frozen process's own, and another's elsewhere. */
export class Others {
  readonly attempts: Attempt[] = []
  readonly cursors: CursorObservation[] = []
  /** Cursor moves, answered or not. */
  readonly moves: (Span & { readonly conversationId: string })[] = []
  readonly #lanes: AppendLanes
  readonly #running: Promise<unknown>
  #stopped = false

  constructor(
    private readonly storage: Storage,
    [held, ...elsewhere]: readonly [string, ...string[]],
    /** Who writes to the frozen process's conversation. */
    writer: string,
  ) {
    this.#lanes = new AppendLanes({
      storage,
      clock: systemClock,
      nodeId: 'others',
      lanes: 4,
      queueItems: 1_000,
      onCommitted: () => undefined,
    })
    this.#running = Promise.all([
      this.#write(held, writer),
      ...elsewhere.map((each) => this.#write(each, 'user-1')),
      this.#move(held, USER),
      this.#move(elsewhere[0] ?? held, 'user-1'),
    ])
    this.#running.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #write(conversationId: string, userId: string): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const item = messageOf(`others/${conversationId}/${n}`, conversationId, userId)
      while (!(await this.#append(item)) && !this.#stopped) await sleep(PAUSE_MS)
      await sleep(PAUSE_MS)
    }
  }

  /** Whether it is settled. */
  async #append(item: AppendItem): Promise<boolean> {
    const { bodyJson: content, conversationId, msgId, fromUserId, countable } = item
    const startedAt = monotonicNow()
    const outcome = await this.#answer(item)
    this.attempts.push({
      writer: 'others',
      conversationId,
      msgId,
      fromUserId,
      content,
      countable,
      startedAt,
      endedAt: monotonicNow(),
      outcome,
    })
    return outcome.ok
  }

  async #answer(item: AppendItem): Promise<NonNullable<Attempt['outcome']>> {
    try {
      const result = await this.#lanes.append(item)
      if (!result.ok) return { ok: false, code: result.code, final: result.code !== 'BUSY' && result.code !== 'UNAVAILABLE' }
      const { seq, ord, timestamp, duplicate } = result
      return { ok: true, seq, ord, timestamp, duplicate }
    } catch (error) {
      if (!isImError(error)) throw error
      return { ok: false, code: error.code, final: false }
    }
  }

  async #move(conversationId: string, userId: string): Promise<void> {
    for (let n = 1; !this.#stopped; n++) {
      const startedAt = monotonicNow()
      try {
        // One further each time, so that each writes.
        const [state] = await this.storage.advanceCursors([{ conversationId, userId, deliveredSeq: n, readSeq: 0 }])
        if (state === undefined) throw new Error(`${userId} has no cursor in ${conversationId}.`)
        const { deliveredSeq, readSeq } = state
        this.cursors.push({ userId, conversationId, startedAt, endedAt: monotonicNow(), deliveredSeq, readSeq })
      } catch (error) {
        if (!isImError(error)) throw error
      }
      this.moves.push({ conversationId, startedAt, endedAt: monotonicNow() })
      await sleep(PAUSE_MS)
    }
  }
}
