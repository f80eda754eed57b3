import { ImError } from '@innerline/protocol'
import type { AppendBatch, AppendItem, AppendResult } from '@innerline/server-core'
import { type Database, rowsOf } from '../database.js'
import { type DriverConnection, IN_TRANSACTION, runStatements, serverStatusOf, type StatementResult } from '../driver.js'
import type { ConversationKeys } from '../keys.js'
import { entryColumns } from '../rows.js'
import { type Sql, sql, uuid } from '../sql.js'
import { classify } from '../sql-errors.js'
import { findMembers, findStored, type LockedHead, lockedHeadOf, lockHeads, memberKey, membersOf, storedEntriesOf } from './lock-heads.js'
import { type AppendPlan, isStale, planAppend } from './plan.js'
import { writesOf } from './statements.js'
import { refusalOf } from './valid-item.js'

/** Longer than a server's own lock wait timeout, which ends a wait here: the host's session is as the host made it. */
const DEADLINE_MS = 60_000

type Run = (statement: Sql) => Promise<StatementResult>

/**
 * Appends inside the host's transaction, on the host's connection: never commits, rolls back or sets session state, and
 * leaves no lock on anything but the conversation's own rows. Items are of one conversation, which must be open.
 *
 * Rejects `INVALID_REQUEST` when no transaction is open, before anything is written. Rejects `BUSY` when a lock was not given in time (only the statement is undone), `UNAVAILABLE` when the whole
 * transaction is gone and must be run again.
 */
export async function appendInHostTransaction(
  database: Database,
  keys: ConversationKeys,
  tx: unknown,
  batch: AppendBatch,
): Promise<readonly AppendResult[]> {
  const connection = connectionOf(tx)
  const run: Run = async (statement) => {
    try {
      return (await runStatements(connection, [statement], database.clock, DEADLINE_MS))[0] as StatementResult
    } catch (error) {
      throw hostError(error, classify(error) === 'lock-wait' && !(await isInTransaction(run).catch(() => false)))
    }
  }
  const results: AppendResult[] = []
  for (const item of batch.items) results.push(await appendItem(database, keys, run, item, batch))
  if (results.some((result) => result.ok && result.duplicate)) await database.makeDurable()
  return results
}

async function appendItem(
  database: Database,
  keys: ConversationKeys,
  run: Run,
  item: AppendItem,
  batch: AppendBatch,
): Promise<AppendResult> {
  const refusal = refusalOf(item)
  if (refusal !== undefined) return refusal
  // On a connection of ours, so that nothing is locked and the host's snapshot does not hide it.
  const committed = storedEntriesOf(await database.readOwn(findStored(database.tables, [item])))
  const key = (await keys.of([item.conversationId])).get(item.conversationId)
  if (key === undefined) {
    return committed.has(item.msgId) ? { ok: false, code: 'MSG_ID_CONFLICT' } : notOpen
  }
  // The row exists, so this locks it and no gap beside it, also at REPEATABLE READ.
  const [row] = rowsOf(await run(lockHeads(database.tables, [key], 'wait')))
  if (!(await isInTransaction(run))) throw noTransaction()
  if (row === undefined) return notOpen
  const locked = lockedHeadOf(row)
  if (locked.head.conversationId !== item.conversationId) {
    keys.forget(item.conversationId)
    throw new ImError('UNAVAILABLE', { detail: 'The database has been restored; run the transaction again.', retryAfterMs: 1_000 })
  }
  return decide(database, run, item, batch, locked)
}

/**
 * Asked after the lock, which without autocommit begins the transaction. Outside of one every statement would commit by itself: the lock
 * would be gone at once, and a crash between two of them would leave an entry that its head knows nothing of.
 */
const isInTransaction = async (run: Run): Promise<boolean> => (serverStatusOf(await run(sql`DO 0`)) & IN_TRANSACTION) !== 0

const noTransaction = (): ImError =>
  new ImError('INVALID_REQUEST', {
    detail: 'No transaction is open on `tx`: none was begun, or it has ended, as a statement such as CREATE TABLE does to it.',
  })

const notOpen: AppendResult = {
  ok: false,
  code: 'STATE_CONFLICT',
  detail: 'The conversation has not been opened; open it before the transaction.',
}

async function decide(database: Database, run: Run, item: AppendItem, batch: AppendBatch, locked: LockedHead): Promise<AppendResult> {
  const { tables } = database
  const heads = new Map([[item.conversationId, locked]])
  // Members change under the head's lock, which is held here: what a fresh look shows stays true, and locks nothing.
  const stale = isStale(item, locked) ? [{ key: locked.key, userId: item.fromUserId }] : []
  const members = stale.length === 0 ? new Map() : membersOf(await database.readOwn(findMembers(tables, stale)))
  const stored = storedEntriesOf(await database.readOwn(findStored(tables, [item])))
  const plan = await withoutAbsentRows(database, locked, planAppend({ items: [item], now: batch.now, heads, stored, members }))
  const [result] = plan.results as [AppendResult]
  const [insert, ...rest] = writesOf(tables, plan, { nodeId: batch.nodeId, now: batch.now, batchId: undefined })
  if (insert === undefined) return result
  try {
    await run(insert.sql)
  } catch (error) {
    if (!(error instanceof ImError) || classify(error.cause) !== 'duplicate') throw error
    // Committed meanwhile, or earlier in this very transaction. The row is there, so reading it with a lock locks no gap.
    const rows = await run(
      sql`SELECT ${entryColumns},m.conversation_key,m.payload_hash FROM ${tables.message} m WHERE m.msg_id=${uuid(item.msgId)} LOCK IN SHARE MODE`,
    )
    const found = storedEntriesOf(rowsOf(rows))
    if (!found.has(item.msgId)) throw error
    return planAppend({ items: [item], now: batch.now, heads, stored: found, members }).results[0] as AppendResult
  }
  for (const step of rest) await run(step.sql)
  return result
}

/**
 * Leaves out moves of cursor rows that do not exist: at REPEATABLE READ an update that finds none locks the gap where it
 * would be, and another conversation's members could not be added there.
 */
async function withoutAbsentRows(database: Database, locked: LockedHead, plan: AppendPlan): Promise<AppendPlan> {
  if (plan.cursors.length === 0) return plan
  const pairs = plan.cursors.map(({ userId }) => ({ key: locked.key, userId }))
  const present = membersOf(await database.readOwn(findMembers(database.tables, pairs)))
  return { ...plan, cursors: plan.cursors.filter(({ key, userId }) => present.has(memberKey(key, userId))) }
}

/** `undone`: by a lock wait, as with `innodb_rollback_on_timeout`. */
function hostError(error: unknown, undone: boolean): ImError {
  const kind = classify(error)
  if (kind === 'lock-wait' && !undone) {
    return new ImError('BUSY', { detail: 'Another transaction keeps this conversation locked.', retryAfterMs: 1_000, cause: error })
  }
  const detail =
    kind === 'deadlock' || kind === 'lock-wait'
      ? 'The server has rolled the whole transaction back, for a lock; run it again from its begin.'
      : 'The statement failed in the host’s transaction; roll it back.'
  return new ImError(kind === 'duplicate' || kind === 'other' ? 'INTERNAL' : 'UNAVAILABLE', { detail, retryAfterMs: 1_000, cause: error })
}

/** mysql2's connection, of either form. */
function connectionOf(tx: unknown): DriverConnection {
  const outer = tx as { readonly connection?: unknown; readonly query?: unknown } | null | undefined
  const inner = outer?.connection
  const connection = (typeof inner === 'object' && inner !== null && 'query' in inner ? inner : outer) as
    | DriverConnection
    | null
    | undefined
  if (typeof connection?.query !== 'function') {
    throw new ImError('INVALID_REQUEST', { detail: '`tx` must be the mysql2 connection whose transaction the message belongs to.' })
  }
  return connection
}
