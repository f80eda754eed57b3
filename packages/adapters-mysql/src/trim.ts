import { type Database, onlyRow, rowsOf } from './database.js'
import { toOptionalSeq, toSeq, toText } from './rows.js'
import { byKey, databaseNow, derived, sql } from './sql.js'

interface TrimRequest {
  readonly keepMs: number
  readonly readerLostAfterMs: number
  readonly limit: number
}

/** Deletes a slice of change rows that nobody needs any more, and stores how far it went in the same transaction. */
export function trimChanges(
  database: Database,
  { keepMs, readerLostAfterMs, limit }: TrimRequest,
): Promise<{ readonly deleted: number; readonly lostReaders: readonly string[] }> {
  const { state, reader, floor, change } = database.tables
  const notSeen = sql`r.is_lost=0 AND r.seen_at<=${databaseNow}-${readerLostAfterMs}`
  return database.transaction(async (transaction) => {
    const [stateRows, lostRows, , neededRows, floorRows] = await transaction.begin(
      sql`SELECT f.low_id FROM ${state} f WHERE f.id=1 FOR UPDATE`,
      sql`SELECT r.name FROM ${reader} r WHERE ${notSeen} FOR UPDATE`,
      sql`UPDATE ${reader} r SET r.is_lost=1 WHERE ${notSeen}`,
      sql`SELECT MIN(r.needs_above) AS needed FROM ${reader} r WHERE r.is_lost=0`,
      sql`SELECT MAX(h.resolved_floor) AS resolved_floor FROM ${floor} h WHERE h.reached_at<=${databaseNow}-${keepMs}`,
    )
    const lowId = toSeq(onlyRow(rowsOf(stateRows))['low_id'])
    const needed = toOptionalSeq(onlyRow(rowsOf(neededRows))['needed']) ?? Number.MAX_SAFE_INTEGER
    const old = toOptionalSeq(onlyRow(rowsOf(floorRows))['resolved_floor']) ?? 0
    const keepAbove = Math.min(old, needed)
    const lostReaders = rowsOf(lostRows).map((row) => toText(row['name']))
    if (keepAbove < lowId) {
      await transaction.commit(sql`DELETE FROM ${floor} WHERE resolved_floor<${old}`)
      return { deleted: 0, lostReaders }
    }
    const [slice] = await transaction.run(
      sql`SELECT c.id FROM ${change} c WHERE c.id>=${lowId} AND c.id<=${keepAbove} ORDER BY c.id LIMIT ${limit}`,
    )
    const ids = rowsOf(slice).map((row) => toSeq(row['id']))
    const next = (ids.length < limit ? keepAbove : (ids.at(-1) ?? keepAbove)) + 1
    await transaction.commit(
      sql`UPDATE ${state} SET low_id=${next} WHERE id=1`,
      // One by one: a range locks the row after its end as well, and an append may hold that one.
      ...(ids.length === 0
        ? []
        : [
            sql`DELETE c FROM ${derived(
              ['k'],
              ids.map((one) => [one]),
            )} v STRAIGHT_JOIN ${change} c ${byKey} ON c.id=v.k`,
          ]),
      sql`DELETE FROM ${floor} WHERE resolved_floor<${old}`,
    )
    return { deleted: ids.length, lostReaders }
  })
}
