import type { LogStorage } from '@innerline/server-core'
import { type Database, onlyRow, rowsOf } from './database.js'
import { toOptionalSeq, toSeq } from './rows.js'
import { sql } from './sql.js'
import { unlessHeld } from './sql-errors.js'
import { inTransaction } from './transaction.js'

const CANDIDATES = 100
const DELETE_SLICE = 1_000

type Expired = Awaited<ReturnType<LogStorage['expireMessages']>>

/** Deletes old entries of conversations, those with the oldest first. Every step may be run again after a crash. */
export async function expireMessages(
  database: Database,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<Expired> {
  const { session } = database.tables
  let expired = 0
  const candidates = await database.read(
    sql`SELECT s.conversation_key FROM ${session} s WHERE s.low_time<${before} ORDER BY s.low_time LIMIT ${CANDIDATES}`,
  )
  for (const candidate of candidates) {
    const key = toSeq(candidate['conversation_key'])
    // A conversation that somebody keeps locked has its turn next time.
    const raised = await raiseFloor(database, key, before, limit - expired).catch(unlessHeld)
    if (raised === undefined) continue
    const { count, lowSeq, more } = raised
    expired += count
    await deleteBelow(database, key, lowSeq)
    await settle(database, key, lowSeq)
    if (more) return { expired, more: true }
  }
  return { expired, more: candidates.length === CANDIDATES }
}

/** The floor first: from its commit on nothing below is shown, counted or recalled. */
function raiseFloor(database: Database, key: number, before: number, limit: number) {
  const { session, message } = database.tables
  return database.retrying(() =>
    inTransaction(database.general, async (transaction) => {
      const [headRows, lastRows] = await transaction.begin(
        sql`SELECT s.head_seq,s.low_seq,s.last_seq FROM ${session} s WHERE s.conversation_key=${key} FOR UPDATE`,
        sql`SELECT m.seq FROM ${message} m WHERE m.conversation_key=${key} AND m.timestamp<${before} ORDER BY m.timestamp DESC,m.seq DESC LIMIT 1`,
      )
      const head = onlyRow(rowsOf(headRows))
      const [headSeq, lowSeq] = [toSeq(head['head_seq']), toSeq(head['low_seq'])]
      const last = toOptionalSeq(rowsOf(lastRows)[0]?.['seq']) ?? 0
      // The newest entry stays, so that a conversation never loses its place in the list.
      const old = Math.max(0, Math.min(last, headSeq - 1) - lowSeq + 1)
      const count = Math.min(old, limit)
      if (count === 0) return { count, lowSeq, more: old > 0 }
      const next = lowSeq + count
      const [ordRows] = await transaction.run(sql`SELECT m.ord FROM ${message} m WHERE m.conversation_key=${key} AND m.seq=${next - 1}`)
      const lastSeq = toOptionalSeq(head['last_seq'])
      const forgetsLast = lastSeq !== undefined && lastSeq < next
      await transaction.commit(
        sql`UPDATE ${session} SET low_seq=${next},low_ord=${toSeq(onlyRow(rowsOf(ordRows))['ord'])} WHERE conversation_key=${key}`,
        ...(forgetsLast
          ? [
              sql`UPDATE ${session} SET last_seq=NULL,last_msg_id=NULL,last_sender_id=NULL,last_kind=NULL,last_preview=NULL,last_msg_time=NULL WHERE conversation_key=${key}`,
            ]
          : []),
      )
      return { count, lowSeq: next, more: old > count }
    }),
  )
}

async function deleteBelow(database: Database, key: number, lowSeq: number): Promise<void> {
  const { message, edit } = database.tables
  for (;;) {
    const [rows] = await database.run(
      sql`SELECT m.seq FROM ${message} m WHERE m.conversation_key=${key} AND m.seq<${lowSeq} ORDER BY m.seq LIMIT ${DELETE_SLICE}`,
    )
    const last = toOptionalSeq(rowsOf(rows).at(-1)?.['seq'])
    if (last === undefined) break
    await database.run(sql`DELETE FROM ${message} WHERE conversation_key=${key} AND seq<=${last}`)
  }
  await database.run(sql`DELETE FROM ${edit} WHERE conversation_key=${key} AND target_seq<${lowSeq}`)
}

/** Only now does the conversation leave the list of candidates: a crash before it leaves rows, and it is looked at again. */
async function settle(database: Database, key: number, lowSeq: number): Promise<void> {
  const { session, message } = database.tables
  await database.retrying(() =>
    inTransaction(database.general, async (transaction) => {
      const [headRows, lowRows] = await transaction.begin(
        sql`SELECT s.head_seq,s.low_seq FROM ${session} s WHERE s.conversation_key=${key} FOR UPDATE`,
        sql`SELECT m.timestamp FROM ${message} m WHERE m.conversation_key=${key} AND m.seq=${lowSeq}`,
      )
      const head = onlyRow(rowsOf(headRows))
      if (toSeq(head['low_seq']) !== lowSeq) return
      // An entry that is alone never expires; its conversation comes back to the list with the next append.
      const time = toSeq(head['head_seq']) > lowSeq ? toOptionalSeq(rowsOf(lowRows)[0]?.['timestamp']) : undefined
      await transaction.commit(sql`UPDATE ${session} SET low_time=${time} WHERE conversation_key=${key}`)
    }),
  )
}
