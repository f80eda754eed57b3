import type { FeedPosition, Lease } from '@innerline/server-core'
import { type Database, onlyRow, rowsOf } from './database.js'
import type { Row } from './driver.js'
import { needsAbove, startPositionOf, startStatement } from './feed-position.js'
import { assertHeld } from './leases.js'
import { toSeq, toText } from './rows.js'
import { bytes, databaseNow, type Sql, sql, text } from './sql.js'
import type { Tables } from './tables.js'

/** Opens a durable reader; says once when rows that its position needed are gone. */
export function openReader(database: Database, name: string): Promise<{ readonly position: FeedPosition; readonly gap: boolean }> {
  const { tables } = database
  return database.transaction(async (transaction) => {
    // The state's row is locked first, so that no trim deletes what this reader is about to need.
    const [stateRows, readerRows, startRows] = await transaction.begin(
      sql`SELECT f.epoch,f.low_id FROM ${tables.state} f WHERE f.id=1 FOR UPDATE`,
      sql`SELECT r.epoch,r.position_id,r.missing FROM ${tables.reader} r WHERE r.name=${text(name)}`,
      startStatement(tables),
    )
    const state = onlyRow(rowsOf(stateRows))
    const [epoch, lowId] = [toSeq(state['epoch']), toSeq(state['low_id'])]
    const [row] = rowsOf(readerRows)
    const known = row && positionOf(row)
    const gap = known !== undefined && (known.epoch !== epoch || needsAbove(known) < lowId - 1)
    let position = known ?? startPositionOf(rowsOf(startRows))
    // What is left of the feed is still owed to it; after a new epoch the ids it knew mean nothing.
    if (gap) position = position.epoch === epoch ? { epoch, id: lowId - 1, missing: [] } : startPositionOf(rowsOf(startRows))
    await transaction.commit(upsert(tables, name, position))
    return { position, gap }
  })
}

/** Stores a position under a lease. */
export function saveReader(
  database: Database,
  { name, position, lease }: { readonly name: string; readonly position: FeedPosition; readonly lease: Lease },
): Promise<void> {
  return database.transaction(async (transaction) => {
    await transaction.begin()
    await assertHeld(database.tables, transaction, lease)
    await transaction.commit(upsert(database.tables, name, position))
  })
}

const positionOf = (row: Row): FeedPosition => ({
  epoch: toSeq(row['epoch']),
  id: toSeq(row['position_id']),
  missing: JSON.parse(toText(row['missing'])) as number[],
})

function upsert(tables: Tables, name: string, position: FeedPosition): Sql {
  const values = sql`epoch=${position.epoch},position_id=${position.id},missing=${bytes(JSON.stringify(position.missing))},needs_above=${needsAbove(
    position,
  )},seen_at=${databaseNow},is_lost=0`
  return sql`INSERT INTO ${tables.reader} SET name=${text(name)},${values} ON DUPLICATE KEY UPDATE ${values}`
}
