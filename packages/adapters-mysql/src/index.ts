import { notBuiltYet } from './not-built-yet.js'

export interface MysqlStorageOptions {
  /** The host's mysql2 pool (promise or callback form). Borrowed: never closed by us. */
  readonly pool: object
  /** Keeps two services on one database apart. */
  readonly namespace?: string | undefined
  /** Whether `start()` applies the shipped SQL files, only checks the schema, or neither. */
  readonly migrations?: 'auto' | 'verify' | 'off' | undefined
}

/** Storage on MySQL 8 and 9 and MariaDB 10.11+. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function mysqlStorage(_options: MysqlStorageOptions): never {
  return notBuiltYet(
    'mysqlStorage',
    'Leave `storage` out of createImServer to keep messages in the memory of one process, or implement the Storage port of @innerline/server-core.',
  )
}
