import type { Clock } from '@innerline/server-core'
import { type DriverConnection, type Row, runStatements } from './driver.js'
import { checksumOf, migrations, versionTable } from './migrations/index.js'
import { readApplied, refuseForeign, refuseOtherSteps } from './schema-check.js'
import { id, Sql, sql, text } from './sql.js'
import { classify } from './sql-errors.js'
import { lockName, placeNames, type Tables } from './tables.js'

const LOCK_SECONDS = 60
const STEP_MS = 120_000

/**
 * Applies what has not been applied, under a named lock: of several nodes that start at once one works and the others find
 * it done. Rejects with a sentence when the names are taken by something else, or the schema is of a newer version.
 */
export async function migrate(connection: DriverConnection, clock: Clock, tables: Tables): Promise<void> {
  const run = (statement: Sql, ms = STEP_MS) => runStatements(connection, [statement], clock, ms)
  const name = text(lockName(tables.database, tables.prefix, 'migrate'))
  const [locked] = await run(sql`SELECT GET_LOCK(${name},${LOCK_SECONDS}) AS got`, (LOCK_SECONDS + 10) * 1_000)
  if (Number((locked as readonly Row[])[0]?.['got']) !== 1) {
    throw new Error(`Another node has been migrating the schema for over ${LOCK_SECONDS} s. Start again when it is done.`)
  }
  try {
    await run(sql`SET SESSION lock_wait_timeout=60`)
    await refuseForeign(connection, clock, tables)
    const applied = await readApplied(connection, clock, tables)
    refuseOtherSteps(applied)
    const missing = migrations.filter((migration) => !applied.has(migration.version))
    if (missing.length === 0) return
    const place = (statement: string): Sql => new Sql(placeNames(statement, tables.database, tables.prefix))
    await run(place(versionTable))
    for (const migration of missing) {
      for (const statement of migration.statements) await run(place(statement))
      await run(
        sql`INSERT IGNORE INTO ${tables.schemaVersion} (version,name,checksum,applied_at) VALUES (${migration.version},${id(
          migration.name,
        )},${id(checksumOf(migration))},${clock.now()})`,
      )
    }
  } catch (error) {
    if (classify(error) !== 'denied') throw error
    const reason = (error as Error).message
    throw new Error(
      `The account may not make the tables: ${reason}; grant CREATE, DROP and CREATE VIEW, or apply the SQL files with another account and use migrations: 'verify'.`,
      { cause: error },
    )
  } finally {
    await run(sql`SELECT RELEASE_LOCK(${name})`).catch(() => undefined)
  }
}
