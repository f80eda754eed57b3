import { ImError } from '@innerline/protocol'
import type { Clock, Ids } from '@innerline/server-core'
import type { BorrowedPool } from './borrowed-pool.js'
import { ConnectionPool, type OwnConnection } from './connection-pool.js'
import { type OpenConnection, type Row, runStatements, type StatementResult } from './driver.js'
import { toOptionalSeq } from './rows.js'
import type { ServerLife } from './server-life.js'
import { type Sql, sql, text } from './sql.js'
import { breaksConnection, classify, unlessHeld } from './sql-errors.js'
import type { Tables } from './tables.js'
import { inTransaction, type Transaction } from './transaction.js'

const ATTEMPTS = 5
const BACKOFF_MS = 20
const KILL_MS = 3_000
/** Rows that are written for their commit's sake; several, so that few wait for one another. */
const FLUSH_ROW = 'im-flush:'
const FLUSH_ROWS = 16

export interface DatabaseOptions {
  readonly tables: Tables
  readonly open: OpenConnection
  /** Where reads go first; our own connections otherwise. */
  readonly borrowed?: BorrowedPool | undefined
  readonly clock: Clock
  readonly ids: Ids
  /** Set where a crash of the server may take back what readers have seen. */
  readonly life?: ServerLife | undefined
  readonly limits: { readonly append: number; readonly spare: number; readonly general: number }
  readonly acquireMs: number
  readonly deadlineMs: number
}

/** The ways into one database: reads, single statements, transactions. Errors are the driver's, unless they are ImErrors. */
export class Database {
  readonly tables: Tables
  readonly clock: Clock
  readonly ids: Ids
  /** For appends: one in use per batch under way. */
  readonly append: ConnectionPool
  /** For conversations that another transaction keeps locked, so that waiting for them takes no append's connection. */
  readonly spare: ConnectionPool
  readonly general: ConnectionPool
  readonly #borrowed: BorrowedPool | undefined
  readonly #takesBack: boolean

  constructor(options: DatabaseOptions) {
    const { tables, open, clock, ids, life, limits, acquireMs, deadlineMs } = options
    this.tables = tables
    this.clock = clock
    this.ids = ids
    this.#takesBack = life !== undefined
    this.#borrowed = options.borrowed
    const greet = life && ((connection: OwnConnection) => life.greet(connection))
    const newName = (): string => `im-connection:${ids.uuid()}`
    const onDeadline = (name: string): void => void endConnection(open, clock, name)
    const pool = (limit: number): ConnectionPool =>
      new ConnectionPool({ open, clock, limit, acquireMs, deadlineMs, greet, newName, onDeadline })
    this.append = pool(limits.append)
    this.spare = pool(limits.spare)
    this.general = pool(limits.general)
  }

  /** Rows of one SELECT, from one snapshot taken after the call. What a borrowed or dead connection fails at is asked once more on one of ours. */
  async read(statement: Sql): Promise<readonly Row[]> {
    try {
      const rows = await this.#borrowed?.read(statement)
      if (rows !== undefined) return rows
      return await this.readOwn(statement)
    } catch (error) {
      const kind = classify(error)
      if (kind !== 'lost' && kind !== 'full') throw error
      return this.readOwn(statement)
    }
  }

  /** As `read`, never on the host's pool: for a caller that keeps one of the pool's connections busy. */
  async readOwn(statement: Sql): Promise<readonly Row[]> {
    return (await this.#onGeneral([statement]))[0] as readonly Row[]
  }

  /**
   * Autocommitted statements on a connection of ours. They must be such that running them twice does no harm: after a
   * lost answer they are run once more.
   */
  run(...statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    return this.retrying(() => this.#onGeneral(statements), 'and when lost')
  }

  /** As `run`, except that a lock that is not given in time is not waited for again: undefined then, and nothing is done. */
  runUnlessHeld(...statements: readonly Sql[]): Promise<readonly StatementResult[] | undefined> {
    return this.retrying(() => this.#onGeneral(statements).catch(unlessHeld), 'and when lost')
  }

  /**
   * Resolves when everything that could be seen when it was called is on disk. Where others can see a commit earlier, no
   * answer may be given on what was merely seen: any later commit brings it there, and this makes one.
   */
  async makeDurable(): Promise<void> {
    if (!this.#takesBack) return
    const name = text(`${FLUSH_ROW}${Math.floor(this.ids.random() * FLUSH_ROWS)}`)
    await this.run(
      sql`INSERT INTO ${this.tables.lease} (name,holder,fence,expires_at) VALUES (${name},${text('')},1,0) ON DUPLICATE KEY UPDATE fence=fence+1`,
    )
  }

  /** A transaction on a general connection, run again after deadlocks and lock waits; a lost answer rejects. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.retrying(() => inTransaction(this.general, work))
  }

  /** Runs again, with jitter, what the server has undone. */
  async retrying<T>(attempt: () => Promise<T>, also?: 'and when lost'): Promise<T> {
    let lost = 0
    for (let i = 1; ; i++) {
      try {
        return await attempt()
      } catch (error) {
        const kind = classify(error)
        const again =
          kind === 'deadlock' || kind === 'lock-wait' || ((kind === 'lost' || kind === 'read-only') && also !== undefined && ++lost < 2)
        if (!again || i >= ATTEMPTS) throw error
        await this.pause(BACKOFF_MS * i)
      }
    }
  }

  /** Waits a random part of `ms`, at least half. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.after(ms * (0.5 + this.ids.random() / 2), resolve))
  }

  async close(): Promise<void> {
    await Promise.all([this.append.close(), this.spare.close(), this.general.close()])
  }

  async #onGeneral(statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    const connection = await this.general.acquire()
    try {
      const results = await connection.run(statements)
      this.general.release(connection)
      return results
    } catch (error) {
      if (breaksConnection(classify(error))) this.general.discard(connection)
      else this.general.release(connection)
      throw error
    }
  }
}

/**
 * The server goes on with a statement whose client has left, and keeps its locks. Best effort. By name: the way to the database may lead to
 * another server by now, where the connection's number is somebody else's.
 */
export async function endConnection(open: OpenConnection, clock: Clock, name: string): Promise<void> {
  try {
    const connection = await open()
    const run = async (statement: Sql) => (await runStatements(connection, [statement], clock, KILL_MS))[0]
    try {
      const id = toOptionalSeq(rowsOf(await run(sql`SELECT IS_USED_LOCK(${text(name)}) AS id`))[0]?.['id'])
      if (id !== undefined) await run(sql`KILL ${id}`)
    } finally {
      connection.destroy()
    }
  } catch {
    // The database does not answer, or has ended the statement by itself.
  }
}

export const rowsOf = (result: StatementResult | undefined): readonly Row[] => result as readonly Row[]

/** The one row of a statement that always has one. */
export function onlyRow(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new ImError('UNAVAILABLE', { detail: 'A row that is always there is missing.', retryAfterMs: 1_000 })
  return row
}
