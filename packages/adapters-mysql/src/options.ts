import { type Clock, type Ids, type Logger, systemClock, systemIds } from '@innerline/server-core'
import { connectionOptionsOf, type HostPool } from './borrowed-pool.js'
import { prefixOf } from './tables.js'

export interface MysqlStorageOptions {
  /** The host's mysql2 pool (promise or callback form), used for reads. Borrowed: never closed, its settings do not matter. */
  readonly pool?: HostPool | undefined
  /** Instead of a pool: `mysql://user:password@host:3306/database`. All connections are then ours. */
  readonly uri?: string | undefined
  /**
   * How our own connections are opened: mysql2 connection options or a URI. By default read from the pool's configuration;
   * needed where that cannot be read (a wrapped pool, a cluster).
   */
  readonly connection?: string | Readonly<Record<string, unknown>> | undefined
  /** Prefix of all tables, views and locks, so that two services on one database never meet: 1–16 of `a-z 0-9 _`. */
  readonly namespace?: string | undefined
  /** Whether `start()` applies the shipped SQL, only checks that it has been applied, or neither. @default 'auto' */
  readonly migrations?: 'auto' | 'verify' | 'off' | undefined
  /** Own connections at most: appends under way, those waiting for a locked conversation, everything else. @default {append: 8, spare: 4, general: 6} */
  readonly connections?: { readonly append?: number; readonly spare?: number; readonly general?: number } | undefined
  /** How long a statement may take before its connection is given up, in ms. @default 10000 */
  readonly deadlineMs?: number | undefined
  /** Told at start of what makes "acknowledged" less than crash-safe. By default `process.emitWarning`. */
  readonly logger?: Pick<Logger, 'warn'> | undefined
  readonly clock?: Clock | undefined
  readonly ids?: Ids | undefined
}

export interface ResolvedOptions {
  readonly pool: HostPool | undefined
  readonly connection: object
  readonly prefix: string
  readonly migrations: 'auto' | 'verify' | 'off'
  readonly limits: { readonly append: number; readonly spare: number; readonly general: number }
  readonly acquireMs: number
  /** How long a read waits for the host's pool before it takes a connection of ours. */
  readonly borrowMs: number
  readonly deadlineMs: number
  readonly warn: (message: string) => void
  readonly clock: Clock
  readonly ids: Ids
}

/** Checks what can be checked without a connection. Throws a sentence. */
export function resolveOptions(options: MysqlStorageOptions): ResolvedOptions {
  const { pool, uri, connection, migrations = 'auto', connections = {}, logger } = options
  if ((pool === undefined) === (uri === undefined)) throw new TypeError('mysqlStorage: give either `pool` or `uri`.')
  if (pool !== undefined && typeof pool.getConnection !== 'function') {
    throw new TypeError('mysqlStorage: `pool` is no mysql2 pool; it has no getConnection().')
  }
  if (!['auto', 'verify', 'off'].includes(migrations)) throw new TypeError("mysqlStorage: `migrations` is 'auto', 'verify' or 'off'.")
  if (uri !== undefined && !isUri(uri)) {
    throw new TypeError(
      'mysqlStorage: `uri` must look like mysql://user:password@host:3306/database, with special characters percent-encoded.',
    )
  }
  const own = connection ?? uri ?? (pool && connectionOptionsOf(pool))
  if (own === undefined) {
    throw new TypeError(
      'mysqlStorage: this pool does not show how it connects. Appends need connections of their own: give `connection` (mysql2 options or a URI) beside `pool`.',
    )
  }
  return {
    pool,
    connection: typeof own === 'string' ? { uri: own } : own,
    prefix: prefixOf(options.namespace),
    migrations,
    limits: { append: limitOf(connections.append, 8), spare: limitOf(connections.spare, 4), general: limitOf(connections.general, 6) },
    acquireMs: 5_000,
    borrowMs: 100,
    deadlineMs: options.deadlineMs ?? 10_000,
    warn: (message) => (logger === undefined ? warnOnce(message) : logger.warn({}, message)),
    clock: options.clock ?? systemClock,
    ids: options.ids ?? systemIds(),
  }
}

/** Whether the driver can read it, whose own words would be "Invalid URL". */
function isUri(uri: string): boolean {
  try {
    const { protocol, username, password, hostname, pathname } = new URL(uri)
    decodeURIComponent(username + password + pathname)
    return /^mysql2?:$/.test(protocol) && hostname !== '' && /^\/[^/]/.test(pathname)
  } catch {
    return false
  }
}

const said = new Set<string>()

/** A process may start many storages on one server. */
function warnOnce(message: string): void {
  if (said.has(message)) return
  said.add(message)
  process.emitWarning(message, 'InnerlineMysql')
}

function limitOf(value: number | undefined, standard: number): number {
  if (value === undefined) return standard
  if (!Number.isInteger(value) || value < 1) throw new TypeError('mysqlStorage: every limit in `connections` is a whole number from 1 on.')
  return value
}
