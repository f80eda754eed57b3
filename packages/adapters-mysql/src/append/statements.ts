import { byKey, bytes, derived, hash, id, sql, type Sql, tuples, uuid } from '../sql.js'
import type { Tables } from '../tables.js'
import { CHANGE_KINDS } from '../rows.js'
import type { AppendPlan, PlannedHead } from './plan.js'

/** A statement of an append, and what a duplicate key in it means. */
export interface Step {
  readonly sql: Sql
  readonly inserts?: 'entries' | 'changes' | undefined
}

const optional = (value: string | undefined): Sql | null => (value === undefined ? null : uuid(value))
const bySeq = (a: { key: number; seq: number }, b: { key: number; seq: number }): number => a.key - b.key || a.seq - b.seq

export interface WrittenBatch {
  readonly nodeId: string
  readonly now: number
  /** Unique to this attempt; undefined in a host's transaction, whose end is the host's to know. */
  readonly batchId: string | undefined
}

/** Everything a plan writes, in the order of locks: entries, heads, cursors, change rows. None for an empty plan. */
export function writesOf(tables: Tables, plan: AppendPlan, batch: WrittenBatch): readonly Step[] {
  if (plan.entries.length === 0) return []
  const steps: Step[] = [{ sql: insertEntries(tables, plan), inserts: 'entries' }]
  if (plan.edits.length > 0) {
    const rows = plan.edits.map(({ key, targetSeq, editSeq }) => [key, targetSeq, editSeq])
    steps.push({ sql: sql`INSERT INTO ${tables.edit} (conversation_key,target_seq,edit_seq) VALUES ${tuples(rows)}` })
  }
  if (plan.mends.length > 0) steps.push({ sql: mendTargets(tables, plan) })
  const recalls = plan.mends.filter((mend) => mend.recalledAt !== undefined)
  if (recalls.length > 0) steps.push({ sql: blankEdits(tables, recalls) })
  steps.push({ sql: raiseHeads(tables, plan.heads, batch.batchId) })
  if (plan.cursors.length > 0) steps.push({ sql: moveCursors(tables, plan) })
  steps.push({ sql: insertChanges(tables, plan.heads, batch), inserts: 'changes' })
  return steps
}

function insertEntries(tables: Tables, plan: AppendPlan): Sql {
  const rows = plan.entries
    .map((entry) => ({ ...entry, key: entry.key }))
    .sort(bySeq)
    .map(({ key, seq, ord, item, chatType, timestamp, bodyJson, editedAt, recalledAt }) => [
      ...[key, seq, ord, uuid(item.msgId), id(item.conversationId), id(chatType), id(item.fromUserId), id(item.kind), hash(item.hash)],
      ...[bytes(bodyJson), optional(item.replyTo), bytes(item.mentions && JSON.stringify(item.mentions)), optional(item.target)],
      ...[timestamp, timestamp, editedAt, recalledAt],
    ])
  return sql`INSERT INTO ${tables.message} (conversation_key,seq,ord,msg_id,session_id,chat_type,sender_id,kind,payload_hash,body,reply_to,mentions,target,timestamp,created_at,edited_at,recalled_at) VALUES ${tuples(rows)}`
}

function mendTargets(tables: Tables, plan: AppendPlan): Sql {
  const rows = [...plan.mends]
    .sort(bySeq)
    .map(({ key, seq, bodyJson, editedAt, recalledAt }) => [key, seq, bytes(bodyJson), editedAt, recalledAt])
  return sql`UPDATE ${derived(['k', 'q', 'b', 'e', 'r'], rows)} v STRAIGHT_JOIN ${tables.message} m ${byKey} ON m.conversation_key=v.k AND m.seq=v.q SET m.body=v.b,m.edited_at=COALESCE(v.e,m.edited_at),m.recalled_at=COALESCE(v.r,m.recalled_at)`
}

function blankEdits(tables: Tables, recalls: AppendPlan['mends']): Sql {
  const rows = [...recalls].sort(bySeq).map(({ key, seq }) => [key, seq])
  return sql`UPDATE ${derived(['k', 'q'], rows)} v STRAIGHT_JOIN ${tables.edit} e ${byKey} ON e.conversation_key=v.k AND e.target_seq=v.q STRAIGHT_JOIN ${tables.message} m ${byKey} ON m.conversation_key=e.conversation_key AND m.seq=e.edit_seq SET m.body=${bytes('null')}`
}

function raiseHeads(tables: Tables, heads: readonly PlannedHead[], batchId: string | undefined): Sql {
  const columns = ['k', 'q', 'o', 'u', 'lt', 'ls', 'lm', 'lf', 'lk', 'lp', 'lu', 'ms', 'mb', 'mo']
  const rows = [...heads]
    .sort((a, b) => a.key - b.key)
    .map(({ key, headSeq, headOrd, updatedAt, lowTime, last, mentionAll }) => [
      ...[key, headSeq, headOrd, updatedAt, lowTime, last?.seq, last && uuid(last.msgId), last && id(last.fromUserId)],
      ...[last && id(last.kind), bytes(last?.preview), last?.timestamp],
      ...[mentionAll.seq, mentionAll.by === undefined ? null : id(mentionAll.by), mentionAll.other],
    ])
  return sql`UPDATE ${derived(columns, rows)} v STRAIGHT_JOIN ${tables.session} s ${byKey} ON s.conversation_key=v.k SET s.head_seq=v.q,s.head_ord=v.o,s.updated_at=v.u,s.low_time=v.lt,s.last_seq=v.ls,s.last_msg_id=v.lm,s.last_sender_id=v.lf,s.last_kind=v.lk,s.last_preview=v.lp,s.last_msg_time=v.lu,s.mention_all_seq=v.ms,s.mention_all_by=v.mb,s.mention_all_other=v.mo,s.last_batch=${optional(batchId)}`
}

/** Only rows that are there: who is not a member has none, and who has left is not told of mentions. */
function moveCursors(tables: Tables, plan: AppendPlan): Sql {
  const rows = plan.cursors.map(({ userId, key, sentOrd, mentionSeq }) => [id(userId), key, sentOrd, mentionSeq])
  return sql`UPDATE ${derived(['u', 'k', 's', 'm'], rows)} v STRAIGHT_JOIN ${tables.cursor} c ${byKey} ON c.user_id=v.u AND c.conversation_key=v.k SET c.sent_ord=GREATEST(c.sent_ord,v.s),c.mention_seq=IF(c.leave_seq IS NULL,GREATEST(c.mention_seq,v.m),c.mention_seq)`
}

function insertChanges(tables: Tables, heads: readonly PlannedHead[], { nodeId, now }: WrittenBatch): Sql {
  const rows = heads.map((head) => [
    ...[CHANGE_KINDS.indexOf('entries'), id(head.conversationId), bytes(JSON.stringify([...head.channels]))],
    ...[head.firstSeq, head.headSeq, head.memberVersion, id(nodeId), now],
  ])
  return sql`INSERT INTO ${tables.change} (kind,session_id,channels,first_seq,last_seq,member_version,node_id,created_at) VALUES ${tuples(rows)}`
}
