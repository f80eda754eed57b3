import type { FeedPosition } from '@innerline/server-core'
import { onlyRow } from './database.js'
import type { Row } from './driver.js'
import { toSeq } from './rows.js'
import { type Sql, sql } from './sql.js'
import type { Tables } from './tables.js'

/** The one row of `t_im_state`. */
export const stateRow = (tables: Tables): Sql => sql`${tables.state} f`

/** Ids below it are resolved or deleted: none of them can appear any more. */
const settledBelow = (tables: Tables): Sql => sql`(SELECT GREATEST(f2.resolved_floor,f2.low_id-1) FROM ${tables.state} f2 WHERE f2.id=1)`

/**
 * Where a reader that starts now begins, in one statement: the state, and every id above the floor that lacks a neighbour,
 * which are the ends of the gaps and the newest id. Neighbours are looked up instead of numbered by a window, which would
 * copy all rows.
 */
export const startStatement = (tables: Tables): Sql =>
  sql`SELECT f.epoch,f.resolved_floor,f.low_id,g.id,g.after_gap,g.before_gap FROM ${stateRow(
    tables,
  )} LEFT JOIN (SELECT c.id,p.id IS NULL AS after_gap,n.id IS NULL AS before_gap FROM ${tables.change} c LEFT JOIN ${
    tables.change
  } p ON p.id=c.id-1 LEFT JOIN ${tables.change} n ON n.id=c.id+1 WHERE c.id>${settledBelow(
    tables,
  )} AND (p.id IS NULL OR n.id IS NULL)) g ON 1=1 WHERE f.id=1`

/** An empty table does not begin again at 0: the floors remember how far it was. */
export function startPositionOf(rows: readonly Row[]): FeedPosition {
  const first = onlyRow(rows)
  let id = Math.max(toSeq(first['resolved_floor']), toSeq(first['low_id']) - 1)
  const missing: number[] = []
  const ends = rows.filter((row) => row['id'] !== null).map((row) => ({ ...row, at: toSeq(row['id']) }) as Row & { readonly at: number })
  for (const end of ends.sort((a, b) => a.at - b.at)) {
    if (toSeq(end['after_gap']) === 1) for (let gone = id + 1; gone < end.at; gone++) missing.push(gone)
    if (toSeq(end['before_gap']) === 1) id = end.at
  }
  return { epoch: toSeq(first['epoch']), id, missing }
}

/** The highest id such that this position needs no row at or below it. */
export const needsAbove = (position: FeedPosition): number => Math.min(position.id, (position.missing[0] ?? Number.MAX_SAFE_INTEGER) - 1)
