import { ImError } from '@innerline/protocol'
import { unreadOf } from '../domain/member.js'
import type { SummaryPage, SummaryPageRequest, SummaryRow } from '../ports/storage.js'
import type { MemberRow } from './data.js'
import { clampedHead, memberOf } from './views.js'

interface Key {
  readonly updatedAt: number
  readonly conversationId: string
}

/**
 * One page of a user's conversations. The cursor is the key of the last row shown, not an offset: what moves to the
 * top between two pages shifts nothing, so no row comes twice and no resting row is missed.
 */
export function summaryPage(rows: ReadonlySet<MemberRow>, page: SummaryPageRequest): SummaryPage {
  const after = page.cursor === undefined ? undefined : decodeCursor(page.cursor)
  const listed: SummaryRow[] = []
  let totalUnread = 0
  for (const row of rows) {
    const head = clampedHead(row)
    if (head === undefined) continue
    totalUnread += unreadOf(head, row)
    if (page.chatType !== undefined && head.chatType !== page.chatType) continue
    if (after === undefined || compare(head, after) > 0) listed.push({ head, member: memberOf(row) })
  }
  listed.sort((a, b) => compare(a.head, b.head))
  const items = listed.slice(0, page.limit)
  const last = items[items.length - 1]
  return { items, next: last !== undefined && listed.length > items.length ? encodeCursor(last.head) : undefined, totalUnread }
}

/** Newest first; ties by id, so that the order is total. */
function compare(a: Key, b: Key): number {
  if (a.updatedAt !== b.updatedAt) return b.updatedAt - a.updatedAt
  return a.conversationId < b.conversationId ? -1 : a.conversationId > b.conversationId ? 1 : 0
}

const encodeCursor = (key: Key): string => Buffer.from(`${key.updatedAt} ${key.conversationId}`).toString('base64url')

function decodeCursor(cursor: string): Key {
  const [, updatedAt, conversationId] = /^(\d{1,16}) (\S+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (updatedAt === undefined || conversationId === undefined || !Number.isSafeInteger(Number(updatedAt))) {
    throw new ImError('INVALID_REQUEST', { detail: 'The cursor is not one of this list.' })
  }
  return { updatedAt: Number(updatedAt), conversationId }
}
