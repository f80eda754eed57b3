import type { Cancel, Clock } from '@innerline/server-core'
import type { Sql } from './sql.js'

/** The part of a mysql2 connection (callback form) that is used. Typed by shape: mysql2 is the host's. */
export interface DriverConnection {
  query(options: object, done: (error: unknown, result?: unknown) => void): unknown
  destroy(): void
  end(done?: (error?: unknown) => void): void
  on(event: string, listener: (error: unknown) => void): unknown
  readonly threadId?: number | null | undefined
  readonly config?: { readonly typeCast?: unknown } | undefined
}

/** A connection of the host's pool. */
export interface PooledConnection extends DriverConnection {
  release(): void
  /** The connection itself, where this is a handle to it. */
  readonly identity?: object | undefined
}

export type Row = Readonly<Record<string, unknown>>

/** What one statement answered: rows, or an OK packet. */
export type StatementResult = readonly Row[] | { readonly serverStatus?: number; readonly insertId?: unknown }

/** Bits of {@link serverStatusOf}. */
export const IN_TRANSACTION = 1
export const AUTOCOMMIT = 2

/** The session's state as an OK packet tells it; 0 where it tells none. */
export const serverStatusOf = (result: StatementResult): number => (result as { readonly serverStatus?: number }).serverStatus ?? 0

/** Raised by us when the server has not answered in time; the connection is gone and the outcome unknown. */
export class DeadlineError extends Error {
  readonly code = 'INNERLINE_DEADLINE'
  readonly fatal = true
}

/** Set on errors of a packet with several statements: how many had answered before the one that failed. */
const failedAt = Symbol('failedAt')

/** Index of the statement that failed within its packet; 0 when it is not known. */
export const failedStatement = (error: unknown): number =>
  typeof error === 'object' && error !== null ? ((error as { [failedAt]?: number })[failedAt] ?? 0) : 0

/** mysql2 lets only a function of the query's take the place of one of the pool's. */
const plainCast = (_field: unknown, next: () => unknown): unknown => next()

/** Said per query, so that what a borrowed pool was made with does not matter. */
const queryOptions = {
  rowsAsArray: false,
  nestTables: false,
  namedPlaceholders: false,
  supportBigNumbers: true,
  bigNumberStrings: false,
  dateStrings: false,
  decimalNumbers: false,
}

/**
 * Runs one packet of statements and resolves with one result each. Rejects with the driver's error; after
 * `deadlineMs` the connection is destroyed and a {@link DeadlineError} raised.
 */
export function runStatements(
  connection: DriverConnection,
  statements: readonly Sql[],
  clock: Clock,
  deadlineMs: number,
): Promise<readonly StatementResult[]> {
  const typeCast = typeof connection.config?.typeCast === 'function' ? plainCast : true
  const text = statements.map((statement) => statement.text).join(';\n')
  return new Promise((resolve, reject) => {
    let answered = 0
    let cancel: Cancel | undefined
    const fail = (error: unknown): void => {
      cancel?.()
      if (typeof error === 'object' && error !== null) Object.defineProperty(error, failedAt, { value: answered, configurable: true })
      reject(error)
    }
    cancel = clock.after(deadlineMs, () => {
      connection.destroy()
      fail(new DeadlineError(`The database has not answered within ${deadlineMs} ms.`))
    })
    try {
      const command = connection.query({ ...queryOptions, typeCast, sql: text }, (error, result) => {
        if (error !== null && error !== undefined) return fail(error)
        cancel?.()
        resolve((statements.length === 1 ? [result] : result) as readonly StatementResult[])
      })
      // Emitted once per statement, also for those without rows: the driver does not say which one failed.
      if (statements.length > 1)
        (command as { on?: (event: string, seen: () => void) => void } | undefined)?.on?.('fields', () => answered++)
    } catch (error) {
      fail(error)
    }
  })
}

/** Opens connections of our own. */
export type OpenConnection = () => Promise<DriverConnection>

interface Mysql2 {
  createConnection(options: object): DriverConnection & { connect(done: (error: unknown) => void): void }
}

/** How our own connections are opened: nothing of the host's flags, everything of its address and credentials. */
const ownFlags = {
  charset: 'utf8mb4_bin',
  multipleStatements: true,
  flags: ['-FOUND_ROWS', '-LOCAL_FILES'],
  stringifyObjects: true,
  timezone: 'Z',
  trace: false,
  enableKeepAlive: true,
  ...{ supportBigNumbers: true, bigNumberStrings: false, dateStrings: false, rowsAsArray: false, namedPlaceholders: false },
}

/** Opens a connection with mysql2. Rejects with a sentence when mysql2 is not installed, or with the driver's error. */
export async function openWithMysql2(options: object): Promise<DriverConnection> {
  const mysql2 = await loadMysql2()
  return new Promise((resolve, reject) => {
    const connection = mysql2.createConnection({ connectTimeout: 5_000, ...options, ...ownFlags })
    // A connection that breaks while nobody asks it anything tells it by this event alone; unheard, it would end the process.
    connection.on('error', () => undefined)
    connection.connect((error) => {
      if (error === null || error === undefined) return resolve(connection)
      connection.destroy()
      reject(error)
    })
  })
}

async function loadMysql2(): Promise<Mysql2> {
  try {
    const module: unknown = await import('mysql2')
    return ((module as { default?: Mysql2 }).default ?? module) as Mysql2
  } catch (error) {
    throw new Error('mysqlStorage needs mysql2: run `npm install mysql2`.', { cause: error })
  }
}
