import { systemIds } from '@innerline/server-core'
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise'

const ids = systemIds()

/** A namespace that nobody else has. */
export const freshNamespace = (): string => `t${ids.uuid().replaceAll('-', '').slice(18)}`

/** A plain connection beside the adapter, as an operator or a host would have it. */
export const connect = (uri: string, options: object = {}): Promise<Connection> =>
  mysql.createConnection({ uri, supportBigNumbers: true, multipleStatements: true, ...options })

/** Rows of a statement. */
export async function rowsOf(connection: Connection, statement: string): Promise<RowDataPacket[]> {
  const [rows] = await connection.query<RowDataPacket[]>(statement)
  return rows
}

/** Drops every table and view of a namespace. */
export async function dropNamespace(uri: string, namespace: string): Promise<void> {
  const connection = await connect(uri)
  try {
    // A connection that a failed test left open must not hold up the whole run.
    await connection.query('SET SESSION lock_wait_timeout = 5')
    const found = await rowsOf(
      connection,
      `SELECT table_name AS name, table_type AS type FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE '${namespace}\\_%'`,
    )
    const views = found.filter((row) => row['type'] === 'VIEW').map((row) => `DROP VIEW IF EXISTS \`${row['name']}\``)
    const tables = found.filter((row) => row['type'] !== 'VIEW').map((row) => `DROP TABLE IF EXISTS \`${row['name']}\``)
    for (const statement of [...views, ...tables]) await connection.query(statement)
  } finally {
    await connection.end()
  }
}
