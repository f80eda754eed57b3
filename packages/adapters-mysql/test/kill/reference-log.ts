import { ImError } from '@innerline/protocol'
import type { AppendBatch, AppendItem, AppendResult, ChangeBatch, FeedPosition, Head, Lease, MessageSlice } from '@innerline/server-core'
import { createPool, type Pool, type PoolConnection, type RowDataPacket } from 'mysql2/promise'
import { sleep } from './messages.js'
import { moveCursor, readCursor } from './reference-cursors.js'
import { acquireLease, openReader, saveReader } from './reference-leases.js'
import { referenceSchema, type ReferenceTables, referenceTables } from './reference-schema.js'
import type { KillTarget } from './target.js'

/** A fault to plant, one at a time: each is a mistake that works in every test without concurrency or crashes. */
export type Fault =
  | 'ack-before-commit'
  | 'dedupe-before-lock'
  | 'repeatable-read'
  | 'feed-above-last'
  | 'cursor-read-modify-write'
  | 'lease-without-fence'

const COMMIT_MS = 20

export interface ReferenceOptions {
  readonly uri: string
  readonly namespace: string
  readonly fault?: Fault | undefined
}

/**
 * The append protocol in miniature, straight from its description: lock heads in order, look for repeats under the lock, insert, commit,
 * answer. It has no unique index on ids, which would catch some faults: the order of steps alone has to hold. Kill runs on it show that
 * they pass what is right, and that with a fault planted they do not.
 */
export class ReferenceLog implements KillTarget {
  readonly #pool: Pool
  readonly #tables: ReferenceTables
  readonly #fault: Fault | undefined

  constructor({ uri, namespace, fault }: ReferenceOptions) {
    this.#pool = createPool({ uri, connectionLimit: 12, supportBigNumbers: true })
    this.#tables = referenceTables(namespace)
    this.#fault = fault
  }

  async start(): Promise<void> {
    for (const statement of referenceSchema(this.#tables)) await this.#pool.query(statement)
  }

  async close(): Promise<void> {
    await this.#pool.end().catch(() => undefined)
  }

  async openConversation({ conversationId, userIds }: Parameters<KillTarget['openConversation']>[0]): Promise<Head> {
    const { head, cursor } = this.#tables
    await this.#pool.query(`INSERT IGNORE INTO ${head} (id) VALUES (?)`, [conversationId])
    for (const userId of userIds)
      await this.#pool.query(`INSERT IGNORE INTO ${cursor} (user_id, id) VALUES (?, ?)`, [userId, conversationId])
    return (await this.readHeads([conversationId]))[0] as Head
  }

  async appendMessages({ items, now }: AppendBatch): Promise<readonly AppendResult[]> {
    return this.#unlessLost(async () => {
      const connection = await this.#pool.getConnection()
      try {
        return await this.#append(connection, items, now)
      } catch (error) {
        connection.destroy()
        throw error
      }
    })
  }

  async #append(connection: PoolConnection, items: readonly AppendItem[], now: number): Promise<readonly AppendResult[]> {
    const { head, entry, change } = this.#tables
    const repeatable = this.#fault === 'repeatable-read'
    await connection.query(`SET TRANSACTION ISOLATION LEVEL ${repeatable ? 'REPEATABLE READ' : 'READ COMMITTED'}`)
    await connection.query(repeatable ? 'START TRANSACTION WITH CONSISTENT SNAPSHOT' : 'START TRANSACTION')
    const dedupe = (): Promise<Map<string, RowDataPacket>> => this.#stored(connection, items)
    const early = this.#fault === 'dedupe-before-lock' ? await dedupe() : undefined
    const ids = [...new Set(items.map((item) => item.conversationId))].sort()
    const [heads] = await connection.query<RowDataPacket[]>(`SELECT * FROM ${head} WHERE id IN (?) ORDER BY id FOR UPDATE`, [ids])
    const known = early ?? (await dedupe())
    const at = new Map(heads.map((row) => [String(row['id']), { seq: Number(row['seq']), ord: Number(row['ord']), at: Number(row['at']) }]))
    const first = new Map([...at].map(([id, { seq }]) => [id, seq + 1]))
    const rows: unknown[][] = []
    const results = items.map((item): AppendResult => {
      const before = known.get(item.msgId)
      if (before !== undefined) {
        const { seq, ord, at: timestamp } = before
        return { ok: true, seq: Number(seq), ord: Number(ord), timestamp: Number(timestamp), duplicate: true, memberVersion: 1 }
      }
      const place = at.get(item.conversationId)
      if (place === undefined) return { ok: false, code: 'NOT_FOUND' }
      place.seq++
      if (item.countable) place.ord++
      place.at = Math.max(now, place.at)
      const stored = { seq: place.seq, ord: place.ord, at: place.at }
      known.set(item.msgId, stored as unknown as RowDataPacket)
      rows.push([item.conversationId, place.seq, place.ord, place.at, item.msgId, item.fromUserId, item.kind, item.bodyJson])
      return { ok: true, ...place, timestamp: place.at, duplicate: false, memberVersion: 1 }
    })
    const grown = [...at].filter(([id, { seq }]) => seq >= (first.get(id) as number))
    if (rows.length > 0) {
      await connection.query(`INSERT INTO ${entry} (id, seq, ord, at, msg_id, user_id, kind, body) VALUES ?`, [rows])
      for (const [id, { seq, ord, at: time }] of grown)
        await connection.query(`UPDATE ${head} SET seq = ?, ord = ?, at = ? WHERE id = ?`, [seq, ord, time, id])
      const changes = grown.map(([id, { seq }]) => [id, first.get(id), seq])
      await connection.query(`INSERT INTO ${change} (id, first_seq, last_seq) VALUES ?`, [changes])
    }
    // A slow disk, as it were: what goes wrong around a commit has time to.
    const commit = sleep(COMMIT_MS * Math.random())
      .then(() => connection.query('COMMIT'))
      .then(
        () => connection.release(),
        (error: unknown) => {
          connection.destroy()
          throw error
        },
      )
    if (this.#fault === 'ack-before-commit') commit.catch(() => undefined)
    else await commit
    return results
  }

  async #stored(connection: PoolConnection, items: readonly AppendItem[]): Promise<Map<string, RowDataPacket>> {
    const ids = items.map((item) => item.msgId)
    const [rows] = await connection.query<RowDataPacket[]>(`SELECT * FROM ${this.#tables.entry} WHERE msg_id IN (?)`, [ids])
    return new Map(rows.map((row) => [String(row['msg_id']), row]))
  }

  async readHeads(conversationIds: readonly string[]): Promise<readonly Head[]> {
    const rows = await this.#rows(`SELECT * FROM ${this.#tables.head} WHERE id IN (?)`, [conversationIds])
    return rows.map((row) => ({
      ...{ conversationId: String(row['id']), chatType: 'group', headSeq: Number(row['seq']), headOrd: Number(row['ord']), lowSeq: 1 },
      ...{ lowOrd: 0, memberVersion: 1, state: 'open', createdAt: 0, updatedAt: Number(row['at']) },
    }))
  }

  async readMessages({ conversationId, from, limit }: Parameters<KillTarget['readMessages']>[0]): Promise<MessageSlice> {
    const rows = await this.#rows(`SELECT * FROM ${this.#tables.entry} WHERE id = ? AND seq >= ? ORDER BY seq LIMIT ?`, [
      ...[conversationId, from, limit + 1],
    ])
    const entries = rows.slice(0, limit).map((row) => ({
      ...{
        conversationId,
        seq: Number(row['seq']),
        ord: Number(row['ord']),
        msgId: String(row['msg_id']),
        fromUserId: String(row['user_id']),
      },
      ...{ timestamp: Number(row['at']), kind: row['kind'] as 'message', bodyJson: String(row['body']) },
    }))
    return { entries, more: rows.length > limit }
  }

  readMember: KillTarget['readMember'] = (conversationId, userId) =>
    this.#unlessLost(async () => {
      const [head] = await this.readHeads([conversationId])
      const position = await readCursor(this.#pool, this.#tables, conversationId, userId)
      if (head === undefined || position === undefined) return undefined
      const member = { conversationId, userId, joinSeq: 0, visibleFrom: 1, visibleOrd: 0, readOrd: 0, sentOrd: 0, mentionSeq: 0 }
      return { head, member: { ...member, ...position, pinned: false, hidden: false } }
    })

  advanceCursors: KillTarget['advanceCursors'] = (moves) =>
    this.#unlessLost(() =>
      Promise.all(moves.map((move) => moveCursor(this.#pool, this.#tables, move, this.#fault === 'cursor-read-modify-write'))),
    )

  async startPosition(): Promise<FeedPosition> {
    const [row] = await this.#rows(`SELECT COALESCE(MAX(change_id), 0) AS id FROM ${this.#tables.change}`, [])
    const id = Number(row?.['id'])
    // What may still commit below it: nothing here resolves gaps, so every id without a row counts as missing.
    const rows = await this.#rows(`SELECT change_id FROM ${this.#tables.change} WHERE change_id <= ?`, [id])
    const there = new Set(rows.map((each) => Number(each['change_id'])))
    return { epoch: 1, id, missing: Array.from({ length: id }, (_, i) => i + 1).filter((each) => !there.has(each)) }
  }

  async epoch(): Promise<number> {
    return 1
  }

  async changes({ epoch, id, missing }: FeedPosition, limit: number): Promise<ChangeBatch> {
    const wanted = this.#fault === 'feed-above-last' || missing.length === 0 ? [0] : missing
    const rows = await this.#rows(
      `SELECT * FROM ${this.#tables.change} WHERE change_id > ? OR change_id IN (?) ORDER BY change_id LIMIT ?`,
      [id, wanted, limit],
    )
    const seen = new Set(rows.map((row) => Number(row['change_id'])))
    const last = Math.max(id, ...seen)
    const passed = Array.from({ length: last - id }, (_, i) => id + i + 1)
    const changes = rows.map((row) => ({
      ...{ id: Number(row['change_id']), kind: 'entries' as const, conversationId: String(row['id']), channels: [], memberVersion: 1 },
      ...{ firstSeq: Number(row['first_seq']), lastSeq: Number(row['last_seq']), nodeId: '', at: 0 },
    }))
    const position = { epoch, id: last, missing: [...missing, ...passed].filter((each) => !seen.has(each)) }
    return { changes, position, tooOld: false, more: rows.length === limit }
  }

  acquireLease: KillTarget['acquireLease'] = (request) => this.#unlessLost(() => acquireLease(this.#pool, this.#tables, request))
  openReader: KillTarget['openReader'] = (name) => this.#unlessLost(() => openReader(this.#pool, this.#tables, name))
  saveReader: KillTarget['saveReader'] = (request) =>
    this.#unlessLost(() => saveReader(this.#pool, this.#tables, request, this.#fault !== 'lease-without-fence'))

  resolveGaps(_: { readonly lease: Lease }): Promise<never> {
    return Promise.reject(new ImError('UNSUPPORTED', { detail: 'The reference log resolves no gaps.' }))
  }

  #rows(sql: string, values: unknown[]): Promise<readonly RowDataPacket[]> {
    return this.#unlessLost(async () => (await this.#pool.query<RowDataPacket[]>(sql, values))[0])
  }

  /** Whatever goes wrong, nothing is known of the outcome, and the caller tries again. */
  async #unlessLost<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof ImError || (error as { sqlState?: string }).sqlState?.startsWith('42')) throw error
      throw new ImError('UNAVAILABLE', { detail: String(error), retryAfterMs: 100, cause: error })
    }
  }
}
