import type { FeedPosition } from '@innerline/server-core'
import { onlyRow } from './database.js'
import type { Row } from './driver.js'
import { toOptionalSeq, toSeq } from './rows.js'
import { type Sql, sql } from './sql.js'
import type { Tables } from './tables.js'

/** The one row of `t_im_state`. */
export const stateRow = (tables: Tables): Sql => sql`${tables.state} f`

/** Ids below it are resolved or deleted: none of them can appear any more. */
const settledBelow = (tables: Tables): Sql => sql`(SELECT GREATEST(f2.resolved_floor,f2.low_id-1) FROM ${tables.state} f2 WHERE f2.id=1)`

/**
 * Where a reader that starts now begins, in one statement: the newest id, and per gap above the floor its two ends. An
 * empty table does not begin again at 0: the floors remember how far it was.
 */
export const startStatement = (tables: Tables): Sql =>
  sql`SELECT f.epoch,f.resolved_floor,f.low_id,(SELECT MAX(c2.id) FROM ${tables.change} c2) AS max_id,g.id AS gap_end,g.before_id FROM ${stateRow(
    tables,
  )} LEFT JOIN (SELECT n.id,n.before_id FROM (SELECT c.id,LAG(c.id) OVER (ORDER BY c.id) AS before_id FROM ${tables.change} c WHERE c.id>${settledBelow(
    tables,
  )}) n WHERE n.before_id IS NULL OR n.id>n.before_id+1) g ON 1=1 WHERE f.id=1 ORDER BY g.id`

export function startPositionOf(rows: readonly Row[]): FeedPosition {
  const first = onlyRow(rows)
  const floor = Math.max(toSeq(first['resolved_floor']), toSeq(first['low_id']) - 1)
  const missing: number[] = []
  for (const row of rows) {
    const end = toOptionalSeq(row['gap_end'])
    if (end === undefined) continue
    for (let id = (toOptionalSeq(row['before_id']) ?? floor) + 1; id < end; id++) missing.push(id)
  }
  return { epoch: toSeq(first['epoch']), id: Math.max(toOptionalSeq(first['max_id']) ?? 0, floor), missing }
}

/** The highest id such that this position needs no row at or below it. */
export const needsAbove = (position: FeedPosition): number => Math.min(position.id, (position.missing[0] ?? Number.MAX_SAFE_INTEGER) - 1)
