import type { AppendItem, Head, Member } from '@innerline/server-core'
import type { Row } from '../driver.js'
import { headColumns, headOf, memberColumns, memberOf, toOptionalSeq, toOptionalText, toSeq, toText, toUuid } from '../rows.js'
import { byKey, derived, id, ids, listed, nothing, Sql, sql, uuid } from '../sql.js'
import type { Tables } from '../tables.js'

/** A head under lock, with what only appends need of it. */
export interface LockedHead {
  readonly key: number
  readonly head: Head
  /** Time of the oldest kept entry where retention may take it; undefined while there is at most one entry. */
  readonly lowTime: number | undefined
  /** Names the transaction that appended last; undefined when that was the host's. */
  readonly lastBatch: string | undefined
  readonly mentionAll: { readonly seq: number; readonly by: string | undefined; readonly other: number }
}

/** An entry that is stored already. */
export interface StoredEntry {
  readonly key: number
  readonly conversationId: string
  readonly seq: number
  readonly ord: number
  readonly timestamp: number
  readonly fromUserId: string
  readonly hash: string
  readonly kind: string
  readonly recalled: boolean
}

export type Waiting = 'wait' | 'skip'

/**
 * Locks the heads in the order of their keys, in one statement.
 */
export const lockHeads = (tables: Tables, keys: readonly number[], waiting: Waiting): Sql =>
  sql`SELECT ${headColumns},s.low_time,s.last_batch FROM ${tables.session} s ${byKey} WHERE s.conversation_key IN (${listed(
    [...keys].sort((a, b) => a - b),
  )}) ORDER BY s.conversation_key FOR UPDATE${waiting === 'skip' ? new Sql(' SKIP LOCKED') : nothing}`

/**
 * What is stored under the batch's msgIds and targets. It comes after the lock and in READ COMMITTED: a transaction whose
 * COMMIT got lost either still holds the head, and is waited for, or its rows are seen.
 */
export const findStored = (tables: Tables, items: readonly AppendItem[]): Sql =>
  sql`SELECT m.conversation_key,m.session_id,m.seq,m.ord,m.msg_id,m.timestamp,m.sender_id,m.payload_hash,m.kind,m.recalled_at FROM ${
    tables.message
  } m WHERE m.msg_id IN (${listed(
    [...new Set(items.flatMap(({ msgId, target }) => (target === undefined ? [msgId] : [msgId, target])))].map(uuid),
  )})`

/** Rows of senders whose rights must be looked at again. */
export const findMembers = (tables: Tables, pairs: readonly { readonly key: number; readonly userId: string }[]): Sql =>
  sql`SELECT ${headColumns},${memberColumns} FROM ${tables.cursor} c JOIN ${tables.session} s ON s.conversation_key=c.conversation_key WHERE c.user_id IN (${ids(
    new Set(pairs.map((pair) => pair.userId)),
  )}) AND c.conversation_key IN (${listed([...new Set(pairs.map((pair) => pair.key))])})`

/** Which of these members' rows there are, and which of them nobody else holds: two statements. */
export const findFreeCursors = (
  tables: Tables,
  pairs: readonly { readonly key: number; readonly userId: string }[],
): readonly [Sql, Sql] => {
  const rows = derived(
    ['u', 'k'],
    pairs.map(({ key, userId }) => [id(userId), key]),
  )
  const found = sql`SELECT c.user_id,c.conversation_key FROM ${rows} v STRAIGHT_JOIN ${tables.cursor} c ${byKey} ON c.user_id=v.u AND c.conversation_key=v.k`
  return [found, sql`${found} FOR UPDATE SKIP LOCKED`]
}

export function lockedHeadOf(row: Row): LockedHead {
  return {
    key: toSeq(row['conversation_key']),
    head: headOf(row),
    lowTime: toOptionalSeq(row['low_time']),
    lastBatch: row['last_batch'] === null ? undefined : toUuid(row['last_batch']),
    mentionAll: {
      seq: toSeq(row['mention_all_seq']),
      by: toOptionalText(row['mention_all_by']),
      other: toSeq(row['mention_all_other']),
    },
  }
}

export function storedEntriesOf(rows: readonly Row[]): Map<string, StoredEntry> {
  const stored = new Map<string, StoredEntry>()
  for (const row of rows) {
    stored.set(toUuid(row['msg_id']), {
      key: toSeq(row['conversation_key']),
      conversationId: toText(row['session_id']),
      seq: toSeq(row['seq']),
      ord: toSeq(row['ord']),
      timestamp: toSeq(row['timestamp']),
      fromUserId: toText(row['sender_id']),
      hash: Buffer.from(row['payload_hash'] as Uint8Array).toString('hex'),
      kind: toText(row['kind']),
      recalled: row['recalled_at'] !== null,
    })
  }
  return stored
}

/** Members by `<key> <userId>`. */
export function membersOf(rows: readonly Row[]): Map<string, Member> {
  const members = new Map<string, Member>()
  for (const row of rows) members.set(memberKey(toSeq(row['conversation_key']), toText(row['user_id'])), memberOf(row))
  return members
}

export const memberKey = (key: number, userId: string): string => `${key} ${userId}`
