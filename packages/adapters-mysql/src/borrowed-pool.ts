import type { Clock } from '@innerline/server-core'
import { AUTOCOMMIT, type PooledConnection, type Row, runStatements, serverStatusOf, type StatementResult } from './driver.js'
import type { ServerLife } from './server-life.js'
import { Sql, sql } from './sql.js'
import { breaksConnection, classify } from './sql-errors.js'

/** The host's mysql2 pool, promise or callback form. Typed by shape; never closed by us. */
export interface HostPool {
  getConnection(...args: never[]): unknown
}

interface CallbackPool {
  getConnection(done: (error: unknown, connection?: PooledConnection) => void): void
  readonly config?: unknown
}

interface PromisePool {
  getConnection(): Promise<{ readonly connection?: PooledConnection } & PooledConnection>
}

/** For the next statement alone, whatever the session's level is; refused while a transaction is open. */
const readCommitted = sql`SET TRANSACTION ISOLATION LEVEL READ COMMITTED`
/** Takes it back where no statement has used it up. Said in full, as a session may chain transactions or end with one. */
const asBefore = sql`ROLLBACK AND NO CHAIN NO RELEASE`
/** ER_CANT_CHANGE_TX_CHARACTERISTICS */
const TRANSACTION_OPEN = 1568

/** mysql2's core pool behind either form; undefined when it is something else that looks like one. */
function coreOf(pool: HostPool): CallbackPool | undefined {
  const { pool: inner, promise } = pool as { pool?: unknown; promise?: unknown }
  if (typeof promise === 'function') return pool as unknown as CallbackPool
  if (typeof inner === 'object' && inner !== null && typeof (inner as { getConnection?: unknown }).getConnection === 'function') {
    return inner as CallbackPool
  }
  return undefined
}

/** What connections of our own need of the host's configuration: address, credentials, transport. No flags, no hooks. */
const connectionKeys = [
  ...['host', 'port', 'socketPath', 'localAddress', 'user', 'password', 'password2', 'password3', 'passwordSha1', 'database'],
  ...['ssl', 'stream', 'compress', 'authPlugins', 'authSwitchHandler', 'insecureAuth', 'enableCleartextPlugin', 'connectTimeout'],
]

/** The connection options a pool was made with; undefined when they cannot be read. */
export function connectionOptionsOf(pool: HostPool): Record<string, unknown> | undefined {
  const config = coreOf(pool)?.config as { readonly connectionConfig?: Record<string, unknown> } | undefined
  const from = config?.connectionConfig
  if (from === undefined || (from['host'] === undefined && from['socketPath'] === undefined)) return undefined
  const options: Record<string, unknown> = {}
  for (const key of connectionKeys) if (from[key] !== undefined && from[key] !== false) options[key] = from[key]
  return options
}

export interface BorrowedPoolOptions {
  readonly pool: HostPool
  readonly clock: Clock
  /** Set where every connection must be asked which life of the server it leads to. */
  readonly life?: ServerLife | undefined
  /** How long a read waits for a connection. */
  readonly acquireMs: number
  readonly deadlineMs: number
}

/** Reads on the host's pool. */
export class BorrowedPool {
  readonly #options: BorrowedPoolOptions
  /** Connections that lead to the life of the server that the epoch belongs to: for as long as they last. */
  readonly #greeted = new WeakSet<object>()
  /** Reads that wait for a connection, oldest first. */
  readonly #wanting = new Set<(connection: PooledConnection | undefined) => void>()
  /** The pool has been asked for a connection and has not answered; once that takes too long, it is `late` until it has. */
  #asking: 'no' | 'yes' | 'late' = 'no'

  constructor(options: BorrowedPoolOptions) {
    this.#options = options
  }

  /**
   * Runs one SELECT. Undefined when the pool has no connection to spare in time, or gave one in which a transaction is
   * open (that would show an old snapshot, and ending it is not ours to do), or one to a server that has just been started.
   */
  async read(statement: Sql): Promise<readonly Row[] | undefined> {
    const connection = await this.#acquire()
    if (connection === undefined) return undefined
    try {
      const rows = (await this.#isGreeted(connection)) ? await this.#select(connection, statement) : undefined
      connection.release()
      return rows
    } catch (error) {
      if (breaksConnection(classify(error))) connection.destroy()
      else connection.release()
      throw error
    }
  }

  async #isGreeted(connection: PooledConnection): Promise<boolean> {
    const { life } = this.#options
    const identity = connection.identity ?? connection
    if (life === undefined || this.#greeted.has(identity)) return true
    const rows = await this.#select(connection, life.question)
    if (rows === undefined || !life.isKnown(rows)) return false
    this.#greeted.add(identity)
    return true
  }

  /** Undefined where a transaction is open, or the next statement would open one. The session is left as it was. */
  async #select(connection: PooledConnection, statement: Sql): Promise<readonly Row[] | undefined> {
    let ok: StatementResult
    try {
      ok = await this.#run(connection, readCommitted)
    } catch (error) {
      if ((error as { readonly errno?: unknown }).errno === TRANSACTION_OPEN) return undefined
      throw error
    }
    try {
      if ((serverStatusOf(ok) & AUTOCOMMIT) !== 0) return (await this.#run(connection, unlimited(statement))) as readonly Row[]
    } catch (error) {
      if (!breaksConnection(classify(error))) await this.#run(connection, asBefore)
      throw error
    }
    await this.#run(connection, asBefore)
    return undefined
  }

  async #run(connection: PooledConnection, statement: Sql): Promise<StatementResult> {
    const { clock, deadlineMs } = this.#options
    return (await runStatements(connection, [statement], clock, deadlineMs))[0] as StatementResult
  }

  /** Undefined when the pool lends none in time, or at all: its queue has an end, or it never waits. */
  #acquire(): Promise<PooledConnection | undefined> {
    const { clock, acquireMs } = this.#options
    if (this.#asking === 'late') return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const take = (connection: PooledConnection | undefined): void => {
        this.#wanting.delete(take)
        cancel()
        resolve(connection)
      }
      const cancel = clock.after(acquireMs, () => {
        this.#asking = 'late'
        take(undefined)
      })
      this.#wanting.add(take)
      this.#ask()
    })
  }

  /**
   * For one connection at a time, for whoever has waited longest: a pool's queue knows no deadline, so that each read that gave up would
   * keep a place there that is the host's. What comes when nobody wants it any more goes straight back.
   */
  #ask(): void {
    if (this.#asking !== 'no' || this.#wanting.size === 0) return
    this.#asking = 'yes'
    const done = (connection: PooledConnection | undefined): void => {
      this.#asking = 'no'
      const [next] = this.#wanting
      if (next === undefined) connection?.release()
      else next(connection)
      this.#ask()
    }
    const { pool } = this.#options
    const core = coreOf(pool)
    if (core !== undefined) return core.getConnection((_error, connection) => done(connection))
    const asked = Promise.resolve().then(() => (pool as unknown as PromisePool).getConnection())
    void asked.then(
      (connection) => done(connection.connection === undefined ? connection : withRelease(connection)),
      () => done(undefined),
    )
  }
}

/** A statement that names no limit would get the session's `sql_select_limit`. */
const unlimited = (statement: Sql): Sql =>
  / LIMIT \d+$/.test(statement.text) ? statement : new Sql(`${statement.text} LIMIT 18446744073709551615`)

/** The callback connection inside a promise one, given back through the promise one. */
function withRelease(outer: { readonly connection?: PooledConnection } & PooledConnection): PooledConnection {
  const inner = outer.connection as PooledConnection
  return {
    query: (options, done) => inner.query(options, done),
    destroy: () => outer.destroy(),
    end: () => outer.release(),
    on: (event, listener) => inner.on(event, listener),
    release: () => outer.release(),
    config: inner.config,
    identity: inner,
  }
}
