import type { AppendItem, AppendResult } from '@innerline/server-core'
import type { ConnectionPool } from '../connection-pool.js'
import { type Database, rowsOf } from '../database.js'
import { failedStatement, type Row } from '../driver.js'
import type { ConversationKeys } from '../keys.js'
import { toSeq, toText } from '../rows.js'
import { classify } from '../sql-errors.js'
import { inTransaction, type Transaction } from '../transaction.js'
import {
  findFreeCursors,
  findMembers,
  findStored,
  type LockedHead,
  lockedHeadOf,
  lockHeads,
  memberKey,
  membersOf,
  storedEntriesOf,
  type Waiting,
} from './lock-heads.js'
import { type AppendPlan, isStale, planAppend } from './plan.js'
import { type Step, writesOf } from './statements.js'

/** Somebody holds heads of this batch, or other rows of it; everything of this attempt is undone. */
export class HeadsHeld extends Error {
  constructor(
    readonly what: 'heads' | 'other rows',
    cause?: unknown,
  ) {
    super(`A lock on ${what} was not given in time.`, { cause })
  }
}

/** A unique key was there. `msgId`: the same id committed meanwhile elsewhere; `position`: the head is behind its log. */
export class DuplicateKey extends Error {
  constructor(
    readonly on: 'msgId' | 'position' | 'change',
    cause: unknown,
  ) {
    super(`A duplicate ${on} in an append.`, { cause })
  }
}

/** Batches of attempts whose end may be unknown, with the msgIds they would have stored. */
export type Doubted = Map<string, ReadonlySet<string>>

export interface Attempt {
  readonly items: readonly AppendItem[]
  readonly nodeId: string
  readonly now: number
  readonly waiting: Waiting
  readonly doubted: Doubted
}

/**
 * One append transaction: lock the heads, look what is stored, decide, write, commit. Two round trips, a third where
 * rights must be read again. With `skip`, items whose head or cursors somebody holds have no result, for one more.
 */
export async function appendOnce(
  database: Database,
  keys: ConversationKeys,
  pool: ConnectionPool,
  attempt: Attempt,
): Promise<readonly (AppendResult | undefined)[]> {
  const known = await keys.of(attempt.items.map((item) => item.conversationId))
  // Without a head there is no lock to take; what is stored under the ids decides alone.
  const { results, wrote } = await inTransaction(pool, async (transaction) => {
    const { heads, held, stored } = await lock(database, keys, transaction, attempt, known)
    const free = (): readonly AppendItem[] => attempt.items.filter((item) => !held.has(item.conversationId))
    const members = await readStaleMembers(database, transaction, free(), heads, stored)
    const decide = (): AppendPlan => planAppend({ items: free(), now: attempt.now, heads, stored, members, doubted: attempt.doubted })
    let plan = decide()
    if (attempt.waiting === 'skip' && plan.cursors.length > 0) {
      const heldKeys = await findHeldCursors(database, transaction, plan)
      for (const [conversationId, { key }] of heads) if (heldKeys.has(key)) held.add(conversationId)
      if (heldKeys.size > 0) plan = decide()
    }
    await commit(database, transaction, attempt, plan)
    const decided = plan.results[Symbol.iterator]()
    const results = attempt.items.map((item) => (held.has(item.conversationId) ? undefined : (decided.next().value as AppendResult)))
    return { results, wrote: plan.entries.length > 0 }
  })
  // A commit of its own has made durable what was found as well.
  if (!wrote && results.some((result) => result?.ok)) await database.makeDurable()
  return results
}

async function lock(
  database: Database,
  keys: ConversationKeys,
  transaction: Transaction,
  { items, waiting }: Attempt,
  known: ReadonlyMap<string, number>,
) {
  const { tables } = database
  const heads = new Map<string, LockedHead>()
  const wanted = [...known.values()]
  const find = findStored(tables, items)
  const results = await heldOr('heads', () =>
    wanted.length === 0 ? transaction.begin(find) : transaction.begin(lockHeads(tables, wanted, waiting), find),
  )
  for (const row of wanted.length === 0 ? [] : rowsOf(results[0])) {
    const locked = lockedHeadOf(row)
    heads.set(locked.head.conversationId, locked)
  }
  const held = new Set<string>()
  for (const conversationId of known.keys()) {
    if (heads.has(conversationId)) continue
    // Either somebody holds it, or the key has come to name another conversation after a restore.
    keys.forget(conversationId)
    held.add(conversationId)
  }
  if (held.size > 0 && waiting === 'wait') throw new HeadsHeld('heads')
  return { heads, held, stored: storedEntriesOf(rowsOf(results.at(-1))) }
}

async function readStaleMembers(
  database: Database,
  transaction: Transaction,
  items: readonly AppendItem[],
  heads: ReadonlyMap<string, LockedHead>,
  stored: ReadonlyMap<string, unknown>,
) {
  const pairs: { key: number; userId: string }[] = []
  for (const item of items) {
    const locked = heads.get(item.conversationId)
    if (locked !== undefined && isStale(item, locked) && !stored.has(item.msgId)) pairs.push({ key: locked.key, userId: item.fromUserId })
  }
  if (pairs.length === 0) return new Map()
  const [rows] = await transaction.run(findMembers(database.tables, pairs))
  return membersOf(rowsOf(rows))
}

/** Conversations of which somebody holds a cursor that the plan moves; the others' cursors are locked then. */
async function findHeldCursors(database: Database, transaction: Transaction, { cursors }: AppendPlan): Promise<ReadonlySet<number>> {
  const sorted = [...cursors].sort((a, b) => (a.userId === b.userId ? a.key - b.key : a.userId < b.userId ? -1 : 1))
  const [there, locked] = await heldOr('other rows', () => transaction.run(...findFreeCursors(database.tables, sorted)))
  const nameOf = (row: Row): string => memberKey(toSeq(row['conversation_key']), toText(row['user_id']))
  const free = new Set(rowsOf(locked).map(nameOf))
  return new Set(
    rowsOf(there)
      .filter((row) => !free.has(nameOf(row)))
      .map((row) => toSeq(row['conversation_key'])),
  )
}

async function commit(database: Database, transaction: Transaction, attempt: Attempt, plan: AppendPlan): Promise<void> {
  const batchId = database.ids.uuid()
  const steps = writesOf(database.tables, plan, { nodeId: attempt.nodeId, now: attempt.now, batchId })
  if (steps.length === 0) return
  attempt.doubted.set(batchId, new Set(plan.entries.map(({ item }) => item.msgId)))
  try {
    await heldOr('other rows', () => transaction.commit(...steps.map((step) => step.sql)))
  } catch (error) {
    if (classify(error) === 'duplicate') throw duplicateOf(error, steps)
    throw error
  }
}

/** The driver does not say which key; the statement that failed does, and for entries the key's name in the message. */
function duplicateOf(error: unknown, steps: readonly Step[]): DuplicateKey {
  const inserts = steps[failedStatement(error)]?.inserts
  if (inserts !== 'entries') return new DuplicateKey('change', error)
  const { message } = error as { readonly message?: unknown }
  return new DuplicateKey(String(message).includes('uk_msg_id') ? 'msgId' : 'position', error)
}

async function heldOr<T>(what: HeadsHeld['what'], run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (classify(error) === 'lock-wait') throw new HeadsHeld(what, error)
    throw error
  }
}
