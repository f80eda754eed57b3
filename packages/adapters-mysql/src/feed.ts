import type { Change, ChangeBatch, FeedPosition, FeedStorage } from '@innerline/server-core'
import type { Database } from './database.js'
import { onlyRow } from './database.js'
import { needsAbove, startPositionOf, startStatement, stateRow } from './feed-position.js'
import { resolveGaps } from './gaps.js'
import { openReader, saveReader } from './readers.js'
import { changeOf, toOptionalSeq, toSeq } from './rows.js'
import { databaseNow, listed, type Sql, sql } from './sql.js'
import type { Tables } from './tables.js'
import { trimChanges } from './trim.js'

/** The change feed, its gaps, and durable readers. */
export function feedStorage(database: Database): FeedStorage {
  const { tables } = database
  const startPosition = async (): Promise<FeedPosition> => startPositionOf(await database.read(startStatement(tables)))
  return {
    startPosition,
    async changes(position, limit) {
      const rows = await database.read(changesStatement(tables, position, limit))
      const state = onlyRow(rows)
      if (toSeq(state['epoch']) !== position.epoch || needsAbove(position) < toSeq(state['low_id']) - 1) {
        return { changes: [], position: await startPosition(), tooOld: true, more: false }
      }
      return batchOf(position, rows.filter((row) => row['id'] !== null).map(changeOf), limit)
    },
    resolveGaps: (request) => resolveGaps(database, request),
    trimChanges: (request) => trimChanges(database, request),
    openReader: (name) => openReader(database, name),
    saveReader: (request) => saveReader(database, request),
    async feedSize() {
      const [row] = await database.read(sizeStatement(tables))
      const [floor, lowId] = [toSeq(row?.['resolved_floor']), toSeq(row?.['low_id'])]
      const oldest = toOptionalSeq(row?.['oldest_at'])
      const rows = Math.max(0, floor - lowId + 1) + toSeq(row?.['above'])
      return { rows, oldestMs: oldest === undefined ? 0 : Math.max(0, toSeq(row?.['now_ms']) - oldest) }
    },
  }
}

/** Late ids and newer ones, and the state they are judged by, from one snapshot: a deletion between two reads would be a hidden hole. */
export function changesStatement(tables: Tables, position: FeedPosition, limit: number): Sql {
  const columns = sql`c.id,c.kind,c.session_id,c.channels,c.first_seq,c.last_seq,c.member_version,c.node_id,c.created_at`
  if (position.missing.length === 0) {
    return sql`SELECT f.epoch,f.low_id,${columns} FROM ${stateRow(tables)} LEFT JOIN ${tables.change} c ON c.id>${
      position.id
    } WHERE f.id=1 ORDER BY c.id LIMIT ${limit + 1}`
  }
  const newer = sql`(SELECT ${columns} FROM ${tables.change} c WHERE c.id>${position.id} ORDER BY c.id LIMIT ${limit + 1})`
  const late = sql`(SELECT ${columns} FROM ${tables.change} c WHERE c.id IN (${listed(position.missing)}) ORDER BY c.id LIMIT ${limit + 1})`
  return sql`SELECT f.epoch,f.low_id,c.* FROM ${stateRow(tables)} LEFT JOIN (${late} UNION ALL ${newer}) c ON 1=1 WHERE f.id=1`
}

/** `found`: up to `limit + 1` of the late and as many of the newer, in any order. */
export function batchOf(position: FeedPosition, found: readonly Change[], limit: number): ChangeBatch {
  const changes = [...found].sort((a, b) => a.id - b.id).slice(0, limit)
  const read = new Set(changes.map((change) => change.id))
  const id = Math.max(position.id, changes[changes.length - 1]?.id ?? 0)
  const missing = position.missing.filter((late) => !read.has(late))
  for (let between = position.id + 1; between < id; between++) if (!read.has(between)) missing.push(between)
  return { changes, position: { epoch: position.epoch, id, missing }, tooOld: false, more: found.length > limit }
}

/** Below the floor every id has a row, so only what is above needs counting. */
const sizeStatement = (tables: Tables): Sql =>
  sql`SELECT f.resolved_floor,f.low_id,${databaseNow} AS now_ms,(SELECT COUNT(*) FROM ${tables.change} c WHERE c.id>(SELECT GREATEST(f2.resolved_floor,f2.low_id-1) FROM ${tables.state} f2 WHERE f2.id=1)) AS above,(SELECT c.created_at FROM ${tables.change} c WHERE c.id>=(SELECT f3.low_id FROM ${tables.state} f3 WHERE f3.id=1) ORDER BY c.id LIMIT 1) AS oldest_at FROM ${stateRow(
    tables,
  )} WHERE f.id=1`
