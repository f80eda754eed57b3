import type { Connection, RowDataPacket } from 'mysql2/promise'
import type { Storage } from '@innerline/server-core'
import { type MysqlStorageOptions, mysqlStorage } from '../../src/index.js'

/** What one call of the storage asked the server. */
export interface Asked {
  readonly statements: readonly string[]
  /** Rows the storage engine handed over, read and written. */
  readonly rowsTouched: number
}

/** A pool of one plain connection, whose statements are seen and whose row counters can be read. */
export interface SpiedStorage {
  readonly storage: Storage
  ask(call: () => Promise<unknown>): Promise<Asked>
  close(): Promise<void>
}

/**
 * A storage that reads through a connection of the test's. `connection` is used by nobody else; our own connections are
 * opened as usual, so only reads are seen.
 */
export async function spiedStorage(
  connection: Connection,
  options: Pick<MysqlStorageOptions, 'namespace'> & { readonly uri: string },
): Promise<SpiedStorage> {
  const statements: string[] = []
  const core = (connection as unknown as { connection: { query(o: { sql: string }, done: unknown): unknown; destroy(): void; on(): void } })
    .connection
  const lent = {
    query(given: { sql: string }, done: unknown) {
      if (!given.sql.startsWith('SET TRANSACTION ')) statements.push(given.sql)
      return core.query(given, done)
    },
    destroy: () => core.destroy(),
    end: () => undefined,
    on: () => undefined,
    release: () => undefined,
  }
  const pool = { getConnection: async () => lent }
  const storage = mysqlStorage({
    pool: pool as never,
    connection: options.uri,
    namespace: options.namespace,
    migrations: 'off',
    logger: { warn: () => undefined },
  })
  await storage.start()
  const counters = async (): Promise<number> => {
    const [rows] = await connection.query<RowDataPacket[]>("SHOW SESSION STATUS LIKE 'Handler\\_%'")
    return rows
      .filter((row) => /^Handler_(read_|icp_attempts)/.test(String(row['Variable_name'])))
      .reduce((sum, row) => sum + Number(row['Value']), 0)
  }
  return {
    storage,
    async ask(call) {
      await call()
      statements.length = 0
      // Reading the counters counts as well; by how much is seen by doing it twice.
      const [first, second] = [await counters(), await counters()]
      await call()
      const third = await counters()
      return { statements: [...statements], rowsTouched: third - second - (second - first) }
    },
    close: () => storage.close(),
  }
}

export interface PlanLine {
  readonly table: string
  readonly type: string
  readonly key: string | null
  readonly extra: string
}

/** The server’s plan in its traditional form, which is not every server’s default. */
export async function explain(connection: Connection, statement: string): Promise<readonly PlanLine[]> {
  const [rows] = await connection.query<RowDataPacket[]>(`EXPLAIN FORMAT=TRADITIONAL ${statement}`)
  return rows.map((row) => ({
    table: String(row['table']),
    type: String(row['type']),
    key: row['key'] === null ? null : String(row['key']),
    extra: String(row['Extra'] ?? ''),
  }))
}
