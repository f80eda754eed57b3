import { ImError, type SendableBody } from '@innerline/protocol'
import {
  type Head,
  type LastEntry,
  type Member,
  previewOf,
  type SummaryPage,
  type SummaryPageRequest,
  visibleRange,
} from '@innerline/server-core'
import { type Database, onlyRow } from './database.js'
import type { Row } from './driver.js'
import { entryColumns, entryOf, headColumns, headOf, memberColumns, memberOf, toOptionalSeq, toSeq, toText } from './rows.js'
import { id, nothing, Sql, sql } from './sql.js'
import type { Tables } from './tables.js'

/** The end of what the member may see lies before the head. */
const left = new Sql('(c.leave_seq IS NOT NULL AND c.leave_seq<s.head_seq)')
/** The list's order: the time of the newest entry the member may see. */
const sortTime = new Sql(`IF(${left.text},COALESCE(e.timestamp,s.created_at),s.updated_at)`)
const visible = new Sql('GREATEST(s.low_seq,c.visible_from,1)<=LEAST(s.head_seq,COALESCE(c.leave_seq,s.head_seq))')
const unread = new Sql(
  'GREATEST(0,CAST(LEAST(s.head_ord,COALESCE(c.leave_ord,s.head_ord)) AS SIGNED)-CAST(GREATEST(c.read_ord,c.visible_ord,c.sent_ord,s.low_ord) AS SIGNED))',
)

interface Key {
  readonly updatedAt: number
  readonly conversationId: string
}

/**
 * One page of a user's conversations and the total over all of them, in one statement. The cursor is the key of the last
 * row shown, not an offset: what moves to the top between two pages shifts nothing.
 */
export async function readSummaries(database: Database, userId: string, page: SummaryPageRequest): Promise<SummaryPage> {
  const after = page.cursor === undefined ? undefined : decodeCursor(page.cursor)
  const rows = await database.read(pageStatement(database.tables, userId, page, after))
  const totalUnread = toSeq(onlyRow(rows)['total_unread'])
  const found = rows.filter((row) => row['session_id'] !== null).sort(bySortKey)
  const shown = found.slice(0, page.limit)
  const items = await clampLasts(database, shown)
  const last = items[items.length - 1]
  return { items, next: last !== undefined && found.length > shown.length ? encodeCursor(last.head) : undefined, totalUnread }
}

/** As the statement has chosen them; a derived table's order is not promised. */
function bySortKey(a: Row, b: Row): number {
  const [left, right] = [toText(a['session_id']), toText(b['session_id'])]
  return toSeq(b['sort_time']) - toSeq(a['sort_time']) || (left < right ? -1 : left > right ? 1 : 0)
}

export function pageStatement(
  { cursor, session, message }: Tables,
  userId: string,
  { limit, chatType }: SummaryPageRequest,
  after: Key | undefined,
): Sql {
  // Forced: where a user is in many of all conversations, a hash over the whole table looks cheaper than it stays.
  const mine = sql`FROM ${cursor} c STRAIGHT_JOIN ${session} s FORCE INDEX (PRIMARY) ON s.conversation_key=c.conversation_key`
  const ofUser = sql`c.user_id=${id(userId)} AND s.head_seq>0 AND ${visible}`
  const ofType = chatType === undefined ? nothing : sql` AND s.chat_type=${id(chatType)}`
  const beyond =
    after === undefined
      ? nothing
      : sql` AND (${sortTime}<${after.updatedAt} OR (${sortTime}=${after.updatedAt} AND s.session_id>${id(after.conversationId)}))`
  return sql`SELECT t.total_unread,p.* FROM (SELECT COALESCE(SUM(${unread}),0) AS total_unread ${mine} WHERE ${ofUser}) t LEFT JOIN (SELECT ${headColumns},${memberColumns},${sortTime} AS sort_time,e.ord AS end_ord ${mine} LEFT JOIN ${message} e ON e.conversation_key=s.conversation_key AND e.seq=c.leave_seq WHERE ${ofUser}${ofType}${beyond} ORDER BY sort_time DESC,s.session_id LIMIT ${limit + 1}) p ON 1=1`
}

/** Heads as the members may know them: newest entry, time and preview end where their view ends. */
async function clampLasts(database: Database, rows: readonly Row[]): Promise<{ head: Head; member: Member }[]> {
  const items = rows.map((row) => {
    const whole = headOf(row)
    const member = memberOf(row)
    const { from, to } = visibleRange(whole, member)
    const ends = to < whole.headSeq
    const sees = !ends && (whole.last === undefined || whole.last.seq >= from)
    const head = ends
      ? {
          ...whole,
          headSeq: to,
          headOrd: member.leaveOrd ?? toOptionalSeq(row['end_ord']) ?? whole.headOrd,
          updatedAt: toSeq(row['sort_time']),
        }
      : whole
    return { head, member, key: toSeq(row['conversation_key']), from, to, sees }
  })
  const unseen = items.filter((item) => !item.sees)
  const lasts = await readLasts(database, unseen)
  return items.map(({ head, member, sees }) => ({ head: sees ? head : { ...head, last: lasts.get(head.conversationId) }, member }))
}

/** The newest message or system entry of each range, for the few whose view does not end with the head's. */
async function readLasts(
  database: Database,
  ranges: readonly { readonly key: number; readonly from: number; readonly to: number }[],
): Promise<ReadonlyMap<string, LastEntry>> {
  if (ranges.length === 0) return new Map()
  const selects = ranges.map(
    ({ key, from, to }) =>
      sql`SELECT e.* FROM (SELECT ${entryColumns} FROM ${database.tables.message} m WHERE m.conversation_key=${key} AND m.seq BETWEEN ${from} AND ${to} AND m.kind IN (${id(
        'message',
      )},${id('system')}) ORDER BY m.seq DESC LIMIT 1) e`.text,
  )
  const rows = await database.read(new Sql(selects.join(' UNION ALL ')))
  return new Map(
    rows.map((row) => {
      const { conversationId, seq, msgId, fromUserId, kind, timestamp, bodyJson } = entryOf(row)
      const body = JSON.parse(bodyJson) as SendableBody | null
      return [conversationId, { seq, msgId, fromUserId, kind, timestamp, preview: body === null ? '' : previewOf(body) }]
    }),
  )
}

const encodeCursor = (key: Key): string => Buffer.from(`${key.updatedAt} ${key.conversationId}`).toString('base64url')

function decodeCursor(cursor: string): Key {
  const [, updatedAt, conversationId] = /^(\d{1,16}) (\S+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (updatedAt === undefined || conversationId === undefined || !Number.isSafeInteger(Number(updatedAt))) {
    throw new ImError('INVALID_REQUEST', { detail: 'The cursor is not one of this list.' })
  }
  return { updatedAt: Number(updatedAt), conversationId }
}
