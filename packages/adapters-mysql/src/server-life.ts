import type { Clock } from '@innerline/server-core'
import type { OwnConnection } from './connection-pool.js'
import { onlyRow, rowsOf } from './database.js'
import type { Row } from './driver.js'
import { toOptionalSeq, toSeq } from './rows.js'
import { type Sql, sql } from './sql.js'
import { breaksConnection, classify } from './sql-errors.js'
import type { Tables } from './tables.js'
import { Transaction } from './transaction.js'

const ATTEMPTS = 5
const PAUSE_MS = 100

/**
 * The epoch to follow another, by the second in which it begins. Not the next number: a crash or a restore may take back that it was
 * raised, and the log that comes after must not come to the same one.
 */
export const epochAfter = (epoch: number, second: number): number => Math.max(epoch + 1, second)

/**
 * Tells one life of the server from the next, where a crash may take back what readers have seen (ADR 5): each life has an
 * epoch of its own, so that no position of an earlier one is taken for good. A connection does not outlive its server, so
 * it is enough to look once at every new one, before anything is read through it.
 */
export class ServerLife {
  /** The life that the epoch belongs to, and the one that answers. One row, on any connection. */
  readonly question: Sql
  readonly #tables: Tables
  readonly #clock: Clock
  readonly #takesBack: boolean

  constructor(tables: Tables, clock: Clock, server: { readonly mariadb: boolean; readonly takesBack: boolean }) {
    this.#tables = tables
    this.#clock = clock
    this.#takesBack = server.takesBack
    const status = server.mariadb ? sql`information_schema.global_status` : sql`performance_schema.global_status`
    // Both are told by the clock at the statement's begin, so the second of the start comes out the same however long it runs.
    const uptime = sql`(SELECT CAST(v.variable_value AS SIGNED) FROM ${status} v WHERE v.variable_name='Uptime')`
    this.question = sql`SELECT f.epoch,f.server_started_at AS known,CAST(UNIX_TIMESTAMP() AS SIGNED)-u.s AS started_at,u.s AS uptime FROM ${tables.state} f JOIN (SELECT ${uptime} AS s) u WHERE f.id=1`
  }

  /** Whether the answer to `question` says that the epoch is of this life. */
  isKnown(rows: readonly Row[]): boolean {
    const row = onlyRow(rows)
    return toOptionalSeq(row['known']) === (this.#takesBack ? toSeq(row['started_at']) : undefined)
  }

  /** Raises the epoch if this connection is the first to a new life. Safe under races. Rejects with the driver's error. */
  async greet(connection: OwnConnection): Promise<void> {
    for (;;) {
      const [rows] = await connection.run([this.question])
      if (this.isKnown(rowsOf(rows))) return
      // Lives are told apart by the second they began in: one that was read from ends in a later one.
      if (toSeq(onlyRow(rowsOf(rows))['uptime']) > 0) break
      await new Promise<void>((resolve) => void this.#clock.after(PAUSE_MS, resolve))
    }
    for (let attempt = 1; ; attempt++) {
      const transaction = new Transaction(connection)
      try {
        return await this.#settle(transaction)
      } catch (error) {
        if (breaksConnection(classify(error)) || attempt >= ATTEMPTS) throw error
        await transaction.rollback()
      }
    }
  }

  async #settle(transaction: Transaction): Promise<void> {
    const { state, reader } = this.#tables
    const [, rows] = await transaction.begin(sql`SELECT f.id FROM ${state} f WHERE f.id=1 FOR UPDATE`, this.question)
    const row = onlyRow(rowsOf(rows))
    const [epoch, known, startedAt] = [toSeq(row['epoch']), toOptionalSeq(row['known']), toSeq(row['started_at'])]
    const isSame = known === undefined || known === startedAt
    const next = isSame ? epoch : epochAfter(epoch, startedAt)
    await transaction.commit(
      sql`UPDATE ${state} SET epoch=${next},server_started_at=${this.#takesBack ? startedAt : undefined} WHERE id=1`,
      // A stored position was taken back together with what it had read, or neither was: durable readers go on from theirs.
      ...(isSame ? [] : [sql`UPDATE ${reader} SET epoch=${next} WHERE epoch=${epoch}`]),
    )
  }
}
