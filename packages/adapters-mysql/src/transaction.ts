import type { ConnectionPool, OwnConnection } from './connection-pool.js'
import type { StatementResult } from './driver.js'
import { type Sql, sql } from './sql.js'
import { breaksConnection, classify } from './sql-errors.js'

/**
 * The first round trip of every transaction that locks a head: a process that is frozen in it loses its locks within
 * these 3 s instead of the server's 8 h, also while a result is being sent to it.
 */
const opening: readonly Sql[] = [
  sql`SET SESSION wait_timeout = 3, SESSION net_read_timeout = 3, SESSION net_write_timeout = 3`,
  sql`SET TRANSACTION ISOLATION LEVEL READ COMMITTED`,
  sql`START TRANSACTION`,
]
const restored = sql`SET SESSION wait_timeout = DEFAULT, SESSION net_read_timeout = DEFAULT, SESSION net_write_timeout = DEFAULT`
const commit = sql`COMMIT`
const rollback = sql`ROLLBACK`

/** A transaction on one of our connections. Ends by `commit`; `inTransaction` rolls back what has not. */
export class Transaction {
  #open = false

  constructor(private readonly connection: OwnConnection) {}

  get isOpen(): boolean {
    return this.#open
  }

  /** Begins, and runs the first statements in the same round trip. */
  async begin(...statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    this.#open = true
    return (await this.connection.run([...opening, ...statements])).slice(opening.length)
  }

  /** Begins, runs everything and commits in one round trip. */
  async whole(...statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    this.#open = true
    const results = await this.connection.run([...opening, ...statements, commit, restored])
    this.#open = false
    return results.slice(opening.length, -2)
  }

  run(...statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    return this.connection.run(statements)
  }

  /** Runs the last statements and commits in the same round trip: an error in one keeps COMMIT from being reached. */
  async commit(...statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    const results = await this.connection.run([...statements, commit, restored])
    this.#open = false
    return results.slice(0, -2)
  }

  async rollback(): Promise<void> {
    this.#open = false
    await this.connection.run([rollback, restored])
  }
}

/**
 * Runs `work` on a connection of its own. Whatever it throws, the connection is given back only after a ROLLBACK that
 * was answered: a lock wait timeout undoes a statement, not the transaction, and a later COMMIT would keep the rest.
 */
export async function inTransaction<T>(pool: ConnectionPool, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  const connection = await pool.acquire()
  const transaction = new Transaction(connection)
  try {
    const result = await work(transaction)
    if (transaction.isOpen) await transaction.rollback()
    pool.release(connection)
    return result
  } catch (error) {
    await giveBack(pool, connection, transaction, error)
    throw error
  }
}

async function giveBack(pool: ConnectionPool, connection: OwnConnection, transaction: Transaction, error: unknown): Promise<void> {
  if (breaksConnection(classify(error))) return pool.discard(connection)
  try {
    if (transaction.isOpen) await transaction.rollback()
    pool.release(connection)
  } catch {
    pool.discard(connection)
  }
}
