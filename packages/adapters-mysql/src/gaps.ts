import type { ResolveGaps } from '@innerline/server-core'
import type { ConnectionPool, OwnConnection } from './connection-pool.js'
import { type Database, onlyRow, rowsOf } from './database.js'
import { assertHeld } from './leases.js'
import { toOptionalSeq, toSeq } from './rows.js'
import { byKey, databaseNow, id, listed, sql, tuples } from './sql.js'
import { breaksConnection, classify } from './sql-errors.js'
import type { Tables } from './tables.js'
import type { Transaction } from './transaction.js'

const SLICE = 500

/**
 * Closes gaps. An id that has no row and that no transaction holds is burnt: allocation and insertion are one step of
 * one statement, and the caller lets a second pass. Should an insert be late all the same, it finds the void row in its
 * place, fails by its key and is run again, so nothing is lost by a wrong guess.
 */
export async function resolveGaps(
  database: Database,
  { lease, readUpTo, probe, young }: ResolveGaps,
): Promise<{ readonly open: readonly number[]; readonly resolvedFloor: number }> {
  await database.transaction((transaction) => transaction.begin().then(() => assertHeld(database.tables, transaction, lease)))
  const open = new Set(young)
  const burnt: number[] = []
  for (let i = 0; i < probe.length; i += SLICE) {
    const found = await probeSlice(database, probe.slice(i, i + SLICE))
    for (const held of found.held) open.add(held)
    burnt.push(...found.burnt)
  }
  return database.transaction(async (transaction) => {
    await transaction.begin()
    await assertHeld(database.tables, transaction, lease)
    // Locked first, as by trims and readers.
    const [stateRows, maxRows] = await transaction.run(
      sql`SELECT f.resolved_floor,f.low_id FROM ${database.tables.state} f WHERE f.id=1 FOR UPDATE`,
      sql`SELECT MAX(c.id) AS max_id FROM ${database.tables.change} c`,
    )
    const state = onlyRow(rowsOf(stateRows))
    const [floor, lowId] = [toSeq(state['resolved_floor']), toSeq(state['low_id'])]
    const maxId = toOptionalSeq(onlyRow(rowsOf(maxRows))['max_id']) ?? 0
    // Above the newest row an id may not have been given out yet; below the deletion floor nobody asks any more.
    const fill = burnt.filter((burntId) => burntId >= lowId && burntId <= maxId)
    for (const burntId of burnt) if (burntId > maxId) open.add(burntId)
    for (let i = 0; i < fill.length; i += SLICE) await insertVoids(database, transaction, fill.slice(i, i + SLICE), lease.holder)
    const ascending = [...open].sort((a, b) => a - b)
    const settled = Math.max(floor, lowId - 1)
    const gap = await firstGap(database.tables, transaction, settled, readUpTo)
    const raised = Math.min(readUpTo, (ascending[0] ?? Number.MAX_SAFE_INTEGER) - 1, (gap ?? Number.MAX_SAFE_INTEGER) - 1)
    await transaction.commit(...(raised > floor ? raise(database.tables, raised) : []))
    return { open: ascending, resolvedFloor: Math.max(floor, raised) }
  })
}

/** Ids without a row, told apart by whether a transaction holds them. Halved until each refusal is down to one id. */
async function probeSlice(database: Database, ids: readonly number[]): Promise<{ held: number[]; burnt: number[] }> {
  return withConnection(database.general, async (connection) => {
    const result = { held: [] as number[], burnt: [] as number[] }
    const pending: (readonly number[])[] = [ids]
    for (let some = pending.pop(); some !== undefined; some = pending.pop()) {
      if (some.length === 0) continue
      try {
        const [rows] = await connection.run([
          sql`SELECT c.id FROM ${database.tables.change} c ${byKey} WHERE c.id IN (${listed(some)}) FOR UPDATE NOWAIT`,
        ])
        const present = new Set(rowsOf(rows).map((row) => toSeq(row['id'])))
        result.burnt.push(...some.filter((one) => !present.has(one)))
      } catch (error) {
        if (classify(error) !== 'lock-wait') throw error
        if (some.length === 1) result.held.push(some[0] as number)
        else pending.push(some.slice(0, some.length >> 1), some.slice(some.length >> 1))
      }
    }
    return result
  })
}

async function insertVoids({ tables }: Database, transaction: Transaction, ids: readonly number[], holder: string): Promise<void> {
  const rows = ids.map((voidId) => [voidId, 0, id(''), sql`x'5b5d'`, 0, 0, 0, id(holder), databaseNow])
  // IGNORE: a late row that is there by now stays as it is.
  await transaction.run(
    sql`INSERT IGNORE INTO ${tables.change} (id,kind,session_id,channels,first_seq,last_seq,member_version,node_id,created_at) VALUES ${tuples(rows)}`,
  )
}

/** The lowest id of `(from, to]` without a row. */
async function firstGap(tables: Tables, transaction: Transaction, from: number, to: number): Promise<number | undefined> {
  if (to <= from) return undefined
  const [first, lonely] = await transaction.run(
    sql`SELECT c.id FROM ${tables.change} c WHERE c.id=${from + 1}`,
    sql`SELECT c.id FROM ${tables.change} c LEFT JOIN ${tables.change} n ON n.id=c.id+1 WHERE c.id>${from} AND c.id<=${to} AND n.id IS NULL ORDER BY c.id LIMIT 1`,
  )
  if (rowsOf(first).length === 0) return from + 1
  // None where there is no gap and others have written past `to`; the newest row of all has no successor either.
  const [last] = rowsOf(lonely)
  const gap = last && toSeq(last['id']) + 1
  return gap !== undefined && gap <= to ? gap : undefined
}

const raise = (tables: Tables, floor: number) => [
  sql`UPDATE ${tables.state} SET resolved_floor=${floor} WHERE id=1`,
  sql`INSERT IGNORE INTO ${tables.floor} (resolved_floor,reached_at) VALUES (${floor},${databaseNow})`,
]

async function withConnection<T>(pool: ConnectionPool, work: (connection: OwnConnection) => Promise<T>): Promise<T> {
  const connection = await pool.acquire()
  try {
    const result = await work(connection)
    pool.release(connection)
    return result
  } catch (error) {
    if (breaksConnection(classify(error))) pool.discard(connection)
    else pool.release(connection)
    throw error
  }
}
