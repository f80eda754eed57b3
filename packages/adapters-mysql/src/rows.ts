import type { ChatType, MessageKind } from '@innerline/protocol'
import type { Change, CommittedMessage, Entry, Head, Member, StoredUser } from '@innerline/server-core'
import type { Row } from './driver.js'
import { Sql } from './sql.js'

/** A BIGINT as a number, whatever form a pool's flags gave it. Throws above 2^53 − 1, where it would be another number. */
export function toSeq(value: unknown): number {
  const number = typeof value === 'number' ? value : typeof value === 'string' || typeof value === 'bigint' ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(number)) throw new RangeError(`The database holds ${String(value)} where a safe integer belongs.`)
  return number
}

export const toOptionalSeq = (value: unknown): number | undefined => (value === null || value === undefined ? undefined : toSeq(value))

export function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
  throw new TypeError('The database holds something else where a text belongs.')
}

export const toOptionalText = (value: unknown): string | undefined => (value === null || value === undefined ? undefined : toText(value))

const toHex = (value: unknown): string => {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  throw new TypeError('The database holds something else where sixteen bytes belong.')
}

/** BINARY(16) as a UUID. */
export function toUuid(value: unknown): string {
  const hex = toHex(value)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const toOptionalUuid = (value: unknown): string | undefined => (value === null || value === undefined ? undefined : toUuid(value))

const columns = (alias: string, names: string): Sql =>
  new Sql(
    names
      .split(' ')
      .map((name) => `${alias}.${name}`)
      .join(','),
  )

/** Columns of `t_cs_session s` and `t_im_cursor c`; no name is in both, so they can be selected side by side. */
export const headColumns = columns(
  's',
  'conversation_key session_id chat_type is_closed head_seq head_ord low_seq low_ord member_version last_seq last_msg_id last_sender_id last_kind last_preview last_msg_time mention_all_seq mention_all_by mention_all_other created_at updated_at',
)
export const memberColumns = columns(
  'c',
  'user_id join_seq visible_from visible_ord leave_seq leave_ord delivered_seq read_seq read_ord sent_ord mention_seq muted_until is_pinned hidden_ord',
)
export const entryColumns = columns(
  'm',
  'session_id seq ord msg_id sender_id timestamp kind body reply_to mentions target edited_at recalled_at',
)

export const headOf = (row: Row): Head => ({
  conversationId: toText(row['session_id']),
  chatType: toText(row['chat_type']) as ChatType,
  headSeq: toSeq(row['head_seq']),
  headOrd: toSeq(row['head_ord']),
  lowSeq: toSeq(row['low_seq']),
  lowOrd: toSeq(row['low_ord']),
  memberVersion: toSeq(row['member_version']),
  state: toSeq(row['is_closed']) === 0 ? 'open' : 'closed',
  createdAt: toSeq(row['created_at']),
  updatedAt: toSeq(row['updated_at']),
  last:
    row['last_seq'] === null
      ? undefined
      : {
          seq: toSeq(row['last_seq']),
          msgId: toUuid(row['last_msg_id']),
          fromUserId: toText(row['last_sender_id']),
          kind: toText(row['last_kind']) as MessageKind,
          preview: toText(row['last_preview']),
          timestamp: toSeq(row['last_msg_time']),
        },
})

/** A member's row, read together with its head. */
export function memberOf(row: Row): Member {
  const hiddenOrd = toOptionalSeq(row['hidden_ord'])
  const userId = toText(row['user_id'])
  const joinSeq = toSeq(row['join_seq'])
  const leaveSeq = toOptionalSeq(row['leave_seq'])
  return {
    conversationId: toText(row['session_id']),
    userId,
    joinSeq,
    visibleFrom: toSeq(row['visible_from']),
    visibleOrd: toSeq(row['visible_ord']),
    leaveSeq,
    leaveOrd: toOptionalSeq(row['leave_ord']),
    deliveredSeq: toSeq(row['delivered_seq']),
    readSeq: toSeq(row['read_seq']),
    readOrd: toSeq(row['read_ord']),
    sentOrd: toSeq(row['sent_ord']),
    mentionSeq: mentionSeqOf(row, userId, joinSeq, leaveSeq),
    mutedUntil: toOptionalSeq(row['muted_until']),
    pinned: toSeq(row['is_pinned']) !== 0,
    hidden: hiddenOrd !== undefined && toSeq(row['head_ord']) <= hiddenOrd,
  }
}

/**
 * A mention of all is kept on the head alone, whatever the number of members: its newest, who made it, and the newest
 * that another made, so that nobody is told of their own.
 */
function mentionSeqOf(row: Row, userId: string, joinSeq: number, leaveSeq: number | undefined): number {
  const own = toSeq(row['mention_seq'])
  const byMe = toOptionalText(row['mention_all_by']) === userId
  const ofAll = toSeq(byMe ? row['mention_all_other'] : row['mention_all_seq'])
  const wasThere = ofAll > joinSeq && (leaveSeq === undefined || ofAll <= leaveSeq)
  return wasThere ? Math.max(own, ofAll) : own
}

export const entryOf = (row: Row): Entry => ({
  conversationId: toText(row['session_id']),
  seq: toSeq(row['seq']),
  ord: toSeq(row['ord']),
  msgId: toUuid(row['msg_id']),
  fromUserId: toText(row['sender_id']),
  timestamp: toSeq(row['timestamp']),
  kind: toText(row['kind']) as MessageKind,
  bodyJson: toText(row['body']),
  replyTo: toOptionalUuid(row['reply_to']),
  mentions: row['mentions'] === null ? undefined : (JSON.parse(toText(row['mentions'])) as string[]),
  target: toOptionalUuid(row['target']),
  editedAt: toOptionalSeq(row['edited_at']),
  recalledAt: toOptionalSeq(row['recalled_at']),
})

export const committedOf = (row: Row): CommittedMessage => ({
  conversationId: toText(row['session_id']),
  seq: toSeq(row['seq']),
  ord: toSeq(row['ord']),
  timestamp: toSeq(row['timestamp']),
  fromUserId: toText(row['sender_id']),
  hash: toHex(row['payload_hash']),
})

export const CHANGE_KINDS = ['void', 'entries', 'members'] as const satisfies readonly Change['kind'][]

export const changeOf = (row: Row): Change => ({
  id: toSeq(row['id']),
  kind: CHANGE_KINDS[toSeq(row['kind'])] ?? 'void',
  conversationId: toText(row['session_id']),
  channels: JSON.parse(toText(row['channels'])) as string[],
  firstSeq: toSeq(row['first_seq']),
  lastSeq: toSeq(row['last_seq']),
  memberVersion: toSeq(row['member_version']),
  nodeId: toText(row['node_id']),
  at: toSeq(row['created_at']),
})

export const userOf = (row: Row): StoredUser => ({
  userId: toText(row['user_id']),
  userType: toText(row['user_type']) as StoredUser['userType'],
  displayName: toText(row['display_name']),
  avatar: toOptionalText(row['avatar']),
  roles: JSON.parse(toText(row['roles'])) as string[],
  passwordHash: toText(row['password_hash']),
})
