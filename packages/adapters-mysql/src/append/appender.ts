import { ImError, type ServerErrorCode } from '@innerline/protocol'
import type { AppendBatch, AppendItem, AppendResult } from '@innerline/server-core'
import type { ConnectionPool } from '../connection-pool.js'
import type { Database } from '../database.js'
import type { ConversationKeys } from '../keys.js'
import { classify, toImError } from '../sql-errors.js'
import { type Doubted, HeadsHeld, appendOnce, DuplicateKey } from './append-once.js'
import { splitByBytes } from './split.js'
import { refusalOf } from './valid-item.js'

const ATTEMPTS = 6
/** A COMMIT without an answer is tried again for so long, on new connections, with the same ids. */
const DOUBT_MS = 5_000
const BACKOFF_MS = 20
const MAX_BACKOFF_MS = 250
/** How long items of a held conversation wait when the batch does not say. */
const HELD_WAIT_MS = 10_000

/** Conversations that are tried alone beside each other, and how long others are begun with, whatever the deadline. */
const APART = 4
const APART_MS = 1_500

const busy: AppendResult = {
  ...{ ok: false, code: 'BUSY', detail: 'Another transaction keeps this conversation locked.' },
  ...{ retryAfterMs: 1_000, held: true },
}

function refused(error: unknown): AppendResult {
  const { code, detail, retryAfterMs } = toImError(error)
  return { ok: false, code: code as ServerErrorCode, detail, retryAfterMs }
}

interface Work {
  readonly items: readonly AppendItem[]
  readonly nodeId: string
  readonly now: number
  readonly doubted: Doubted
}

/** Appends batches: retries what the server has undone, and keeps conversations that somebody holds from delaying the rest. */
export class Appender {
  readonly #database: Database
  readonly #keys: ConversationKeys
  readonly #maxBytes: number

  constructor(database: Database, keys: ConversationKeys, maxBytes: number) {
    this.#database = database
    this.#keys = keys
    this.#maxBytes = maxBytes
  }

  async append(batch: AppendBatch): Promise<readonly AppendResult[]> {
    const results = new Array<AppendResult | undefined>(batch.items.length)
    const accepted: number[] = []
    batch.items.forEach((item, index) => {
      const refusal = refusalOf(item)
      if (refusal === undefined) accepted.push(index)
      results[index] = refusal
    })
    const deadline = this.#database.clock.monotonic() + (batch.waitMs ?? HELD_WAIT_MS)
    let committed = 0
    for (const part of splitByBytes(accepted, (index) => batch.items[index] as AppendItem, this.#maxBytes)) {
      const { nodeId, now } = batch
      const work: Work = { items: part.map((index) => batch.items[index] as AppendItem), nodeId, now, doubted: new Map() }
      const answers = await this.#appendPart(work, deadline).catch((error: unknown) => {
        // What an earlier part has committed must be answered; the rest may be tried again.
        if (committed === 0) throw error
        return part.map(() => refused(error))
      })
      part.forEach((index, i) => {
        results[index] = answers[i]
      })
      committed += part.length
    }
    return results as AppendResult[]
  }

  /** First all heads; only after a lock wait timeout those that are free, and the held ones alone and beside. */
  async #appendPart(work: Work, deadline: number): Promise<readonly AppendResult[]> {
    let results: (AppendResult | undefined)[]
    try {
      return (await this.#retrying(this.#database.append, work, 'wait')) as AppendResult[]
    } catch (error) {
      if (!(error instanceof HeadsHeld)) throw error
      results = await this.#appendFree(work, deadline)
    }
    const held = new Map<string, number[]>()
    results.forEach((result, index) => {
      if (result !== undefined) return
      const { conversationId } = work.items[index] as AppendItem
      const indexes = held.get(conversationId)
      if (indexes === undefined) held.set(conversationId, [index])
      else indexes.push(index)
    })
    await Promise.all(
      Array.from(held.values(), async (indexes) => {
        const answers = await this.#waitFor({ ...work, items: indexes.map((index) => work.items[index] as AppendItem) }, deadline)
        indexes.forEach((index, i) => {
          results[index] = answers[i]
        })
      }),
    )
    return results as AppendResult[]
  }

  /** Results of the items of conversations that nobody holds anything of; undefined for the others. */
  async #appendFree(work: Work, deadline: number): Promise<(AppendResult | undefined)[]> {
    try {
      return [...(await this.#retrying(this.#database.append, work, 'skip'))]
    } catch (error) {
      if (!(error instanceof HeadsHeld)) throw error
      // Heads that are held were left out: somebody has locked the table, for all.
      if (error.what === 'heads') return work.items.map(() => undefined)
      return this.#appendApart(work, deadline)
    }
  }

  /**
   * Neither a head nor a cursor, but another row is held (a msgId under way elsewhere), or a table: one conversation at a time shows
   * whose. Beside each other, as each may wait; those that nobody has come to in time count as held.
   */
  async #appendApart(work: Work, deadline: number): Promise<(AppendResult | undefined)[]> {
    const { clock, spare } = this.#database
    const until = Math.max(deadline, clock.monotonic() + APART_MS)
    const results: (AppendResult | undefined)[] = work.items.map(() => undefined)
    const left = new Set(work.items.map((item) => item.conversationId))
    const strand = async (): Promise<void> => {
      for (const conversationId of left) {
        if (clock.monotonic() >= until) return
        left.delete(conversationId)
        const indexes = work.items.flatMap((item, index) => (item.conversationId === conversationId ? [index] : []))
        const items = indexes.map((index) => work.items[index] as AppendItem)
        try {
          const answers = await this.#retrying(spare, { ...work, items }, 'skip')
          indexes.forEach((index, i) => {
            results[index] = answers[i]
          })
        } catch (error) {
          // What another strand has committed must be answered.
          if (!(error instanceof HeadsHeld)) for (const index of indexes) results[index] = refused(error)
        }
      }
    }
    await Promise.all(Array.from({ length: APART }, strand))
    return results
  }

  /** Tries one held conversation again and again on spare connections, which are given back in between. */
  async #waitFor(work: Work, deadline: number): Promise<readonly (AppendResult | undefined)[]> {
    const { clock, spare } = this.#database
    while (clock.monotonic() < deadline) {
      try {
        return await this.#retrying(spare, work, 'wait')
      } catch (error) {
        if (!(error instanceof HeadsHeld)) return work.items.map(() => refused(error))
        // Others may be waiting for a spare connection too.
        await this.#database.pause(BACKOFF_MS)
      }
    }
    return work.items.map(() => busy)
  }

  /** Runs the transaction until it has an outcome. Throws HeadsHeld after a lock wait timeout. */
  async #retrying(pool: ConnectionPool, work: Work, waiting: 'wait' | 'skip'): Promise<readonly (AppendResult | undefined)[]> {
    const { clock } = this.#database
    const giveUp = clock.monotonic() + DOUBT_MS
    for (let attempt = 1; ; attempt++) {
      try {
        return await appendOnce(this.#database, this.#keys, pool, { ...work, waiting })
      } catch (error) {
        if (error instanceof HeadsHeld) throw error
        if (error instanceof DuplicateKey && error.on === 'position') throw headBehindItsLog(error)
        const kind = classify(error)
        const again = error instanceof DuplicateKey || kind === 'deadlock' || kind === 'lost' || kind === 'read-only'
        // Where a COMMIT may have worked, time alone ends it: a server that is started again refuses many connections in no time.
        const inDoubt = work.doubted.size > 0 && (kind === 'lost' || kind === 'read-only')
        if (!again || (!inDoubt && attempt >= ATTEMPTS) || clock.monotonic() >= giveUp) throw error
        await this.#database.pause(Math.min(BACKOFF_MS * attempt, MAX_BACKOFF_MS))
      }
    }
  }
}

const headBehindItsLog = (cause: unknown): ImError =>
  new ImError('INTERNAL', {
    detail: 'A conversation’s head is behind its log: the database was restored in part or written to by something else.',
    cause,
  })
