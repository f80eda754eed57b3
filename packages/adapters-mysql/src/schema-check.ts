import type { Clock } from '@innerline/server-core'
import { type DriverConnection, failedStatement, type Row, runStatements } from './driver.js'
import { checksumOf, expectedColumns, migrations, SCHEMA_VERSION } from './migrations/index.js'
import { toSeq, toText } from './rows.js'
import { listed, Sql, sql, text } from './sql.js'
import { classify } from './sql-errors.js'
import type { Tables } from './tables.js'

const CHECK_MS = 20_000

/** Columns by bare name of those of our tables and views that exist. Probed, because a version says nothing of a shape. */
async function readShapes(connection: DriverConnection, clock: Clock, { database, prefix }: Tables): Promise<Map<string, Set<string>>> {
  const names = [...expectedColumns().keys()].map((name) => text(prefix + name))
  const [rows] = await runStatements(
    connection,
    [
      sql`SELECT t.table_name AS name,t.table_type AS type,c.column_name AS col FROM information_schema.tables t JOIN information_schema.columns c ON c.table_schema=t.table_schema AND c.table_name=t.table_name WHERE t.table_schema=${text(
        database,
      )} AND t.table_name IN (${listed(names)})`,
    ],
    clock,
    CHECK_MS,
  )
  const shapes = new Map<string, Set<string>>()
  for (const row of rows as readonly Row[]) {
    const name = toText(row['name']).slice(prefix.length)
    const shape = shapes.get(name) ?? new Set([`(${toText(row['type']).includes('VIEW') ? 'view' : 'table'})`])
    shape.add(toText(row['col']).toLowerCase())
    shapes.set(name, shape)
  }
  return shapes
}

/** Rejects with a sentence when something of another origin has one of our names. Such a thing is never altered. */
export async function refuseForeign(connection: DriverConnection, clock: Clock, tables: Tables): Promise<void> {
  const shapes = await readShapes(connection, clock, tables)
  for (const [name, { view, columns }] of expectedColumns()) {
    const shape = shapes.get(name)
    if (shape === undefined) continue
    const lacks = [view ? '(view)' : '(table)', ...columns].filter((column) => !shape.has(column))
    if (lacks.length === 0) continue
    throw new Error(
      `The database "${tables.database}" already has a ${shape.has('(view)') ? 'view' : 'table'} "${tables.prefix}${name}" of another origin (it has no ${lacks
        .slice(0, 3)
        .join(', ')}). It is left as it is: give mysqlStorage a \`namespace\`, or rename that table.`,
    )
  }
}

/** Versions that have been applied, with their checksums; empty when there is no version table. */
export async function readApplied(connection: DriverConnection, clock: Clock, tables: Tables): Promise<ReadonlyMap<number, string>> {
  try {
    const [rows] = await runStatements(connection, [sql`SELECT v.version,v.checksum FROM ${tables.schemaVersion} v`], clock, CHECK_MS)
    return new Map((rows as readonly Row[]).map((row) => [toSeq(row['version']), toText(row['checksum'])]))
  } catch (error) {
    if (classify(error) === 'schema') return new Map()
    throw error
  }
}

/** Throws a sentence when the schema was made by another version of this package than what it says. */
export function refuseOtherSteps(applied: ReadonlyMap<number, string>): void {
  const newest = Math.max(0, ...applied.keys())
  if (newest > SCHEMA_VERSION) {
    throw new Error(`The schema has version ${newest}, this package knows up to ${SCHEMA_VERSION}: upgrade @innerline/adapters-mysql.`)
  }
  for (const migration of migrations) {
    const checksum = applied.get(migration.version)
    if (checksum === undefined || checksum === checksumOf(migration)) continue
    throw new Error(
      `Migration ${migration.version} in the database is another one than this package's. Was it applied by an unreleased version?`,
    )
  }
}

/** `migrations: 'verify'`: everything applied, everything there. Rejects with a sentence. */
export async function verifySchema(connection: DriverConnection, clock: Clock, tables: Tables): Promise<void> {
  await refuseForeign(connection, clock, tables)
  const applied = await readApplied(connection, clock, tables)
  refuseOtherSteps(applied)
  const missing = migrations.filter((migration) => !applied.has(migration.version))
  if (missing.length > 0) {
    throw new Error(
      `Migrations ${missing.map((migration) => migration.version).join(', ')} have not been applied: run the SQL files of @innerline/adapters-mysql, or start with migrations: 'auto'.`,
    )
  }
  const shapes = await readShapes(connection, clock, tables)
  const absent = [...expectedColumns().keys()].filter((name) => !shapes.has(name))
  if (absent.length > 0)
    throw new Error(`The schema says it is complete and lacks ${absent.map((name) => tables.prefix + name).join(', ')}.`)
}

/** Rejects with a sentence when the account may not do what will be needed. Nothing is changed by the statements. */
export async function checkGrants(connection: DriverConnection, clock: Clock, tables: Tables): Promise<void> {
  const never = new Sql('1=0')
  const tried = [
    ...[tables.session, tables.message, tables.edit, tables.cursor, tables.change, tables.state, tables.floor, tables.reader],
    ...[tables.lease, tables.deadLetter, tables.user],
  ].flatMap((table) => [
    { what: 'SELECT', table, statement: sql`SELECT 1 FROM ${table} WHERE ${never}` },
    { what: 'INSERT', table, statement: sql`INSERT INTO ${table} SELECT * FROM ${table} WHERE ${never}` },
    { what: 'UPDATE', table, statement: sql`UPDATE ${table} SET ${new Sql(firstColumn(table, tables))}=0 WHERE ${never}` },
    { what: 'DELETE', table, statement: sql`DELETE FROM ${table} WHERE ${never}` },
  ])
  try {
    await runStatements(
      connection,
      tried.map(({ statement }) => statement),
      clock,
      CHECK_MS,
    )
  } catch (error) {
    const { what, table } = tried[failedStatement(error)] ?? { what: 'to work', table: tables.lease }
    const kind = classify(error)
    if (kind === 'denied') throw new Error(`The account may not ${what} on ${table.text}; grant it.`, { cause: error })
    if (kind === 'schema') throw new Error(`${table.text} is not there as it should be; see \`migrations\`.`, { cause: error })
    throw error
  }
}

/** A column of the table that a number fits. */
function firstColumn(table: Sql, tables: Tables): string {
  if (table === tables.reader) return 'epoch'
  if (table === tables.lease) return 'fence'
  if (table === tables.user) return 'updated_at'
  if (table === tables.cursor || table === tables.session || table === tables.message || table === tables.edit) return 'conversation_key'
  return table === tables.floor ? 'resolved_floor' : 'id'
}
