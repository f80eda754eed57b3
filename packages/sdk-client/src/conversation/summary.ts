import type { ChatMessage, ConversationSummary } from '@innerline/protocol'
import { present } from '../present.js'
import { isShown } from './entries.js'
import { refOf } from './ref.js'

/** How far somebody is. */
export interface Cursors {
  readonly deliveredSeq: number
  readonly readSeq: number
}

/** The further of two, each for itself: cursors only move forward. */
export const furthest = (a: Cursors | undefined, b: Cursors): Cursors => ({
  deliveredSeq: Math.max(a?.deliveredSeq ?? 0, b.deliveredSeq),
  readSeq: Math.max(a?.readSeq ?? 0, b.readSeq),
})

/** What is known of a conversation apart from its entries, and how entries move it. */
export interface Standing extends ConversationSummary {
  /** Countable entries seen or written by this user, as far as the badge goes: `unread = headOrd - seenOrd`. */
  readonly seenOrd: number
}

const NOTHING = { headSeq: 0, headOrd: 0, seenOrd: 0, deliveredSeq: 0, readSeq: 0, unread: 0, mentionSeq: 0 }

/** A conversation nobody has told of. */
export const unknown = (conversationId: string, userId: string | undefined): Standing => ({
  conversationId,
  ...refOf(conversationId, userId),
  ...NOTHING,
  joinSeq: 0,
  floorSeq: 1,
  pinned: false,
  hidden: false,
  updatedAt: 0,
})

/** Without positions, as another epoch voids them: title and settings alone. */
export const emptied = (standing: Standing): Standing => ({ ...standing, ...NOTHING })

/** As the server makes it: one line, at most 100 characters. */
export function preview({ body }: ChatMessage): string {
  const { type, text, name } = (body ?? {}) as { readonly type?: string; readonly text?: unknown; readonly name?: unknown }
  const line = (type === 'text' ? String(text).replace(/\s+/gu, ' ') : type ? `[${type}] ${name ?? ''}` : '').trim()
  const points = [...line]
  return points.length > 100 ? `${points.slice(0, 99).join('')}…` : line
}

const withUnread = (standing: Standing): Standing => ({ ...standing, unread: Math.max(0, standing.headOrd - standing.seenOrd) })

/**
 * A summary from the server. What this client knows better is kept: entries seen here already (both come over different ways), and
 * a markRead that the server has not heard of yet.
 */
export function absorb(standing: Standing | undefined, summary: ConversationSummary): Standing {
  const seenOrd = summary.headOrd - summary.unread
  if (!standing) return { ...summary, seenOrd }
  const { headSeq, headOrd, lastMessage, updatedAt, mentionSeq, readSeq } = standing
  const ahead = headSeq > summary.headSeq
  return withUnread({
    ...summary,
    ...(ahead && present({ headSeq, headOrd, updatedAt, mentionSeq, lastMessage })),
    ...furthest(standing, summary),
    seenOrd: ahead || readSeq > summary.readSeq ? Math.max(seenOrd, standing.seenOrd) : seenOrd,
  })
}

/** What an entry does to head, preview and unread. Entries at or below the head do nothing but mend the preview. */
export function advanceBy(standing: Standing, entry: ChatMessage, userId: string | undefined): Standing {
  if (entry.seq <= standing.headSeq) return standing
  const { seq, ord, msgId, fromUserId, kind, timestamp } = entry
  const own = fromUserId === userId
  let { lastMessage } = standing
  if (isShown(entry)) lastMessage = { seq, msgId, fromUserId, kind, preview: preview(entry), timestamp }
  else if (lastMessage && lastMessage.msgId === entry.target) {
    lastMessage = { ...lastMessage, preview: kind === 'edit' ? preview(entry) : '' }
  }
  return withUnread({
    ...standing,
    headSeq: seq,
    headOrd: Math.max(standing.headOrd, ord),
    seenOrd: own || seq <= standing.readSeq ? Math.max(standing.seenOrd, ord) : standing.seenOrd,
    mentionSeq: !own && entry.mentions?.some((id) => id === userId || id === '*') ? seq : standing.mentionSeq,
    hidden: false,
    updatedAt: Math.max(standing.updatedAt, timestamp),
    ...present({ lastMessage }),
  })
}

/**
 * Own cursors, `told` by the server with what was unread then, or moved here (where unread is known only if everything is read). What was
 * seen only grows: an event may come late, and after or before the entries it counted.
 */
export function moveCursor(
  standing: Standing,
  { deliveredSeq, readSeq }: Cursors,
  told = readSeq >= standing.headSeq ? { unread: 0, headOrd: standing.headOrd } : undefined,
): Standing {
  const moved = { ...standing, ...furthest(standing, { deliveredSeq: Math.max(deliveredSeq, readSeq), readSeq }) }
  return told ? withUnread({ ...moved, seenOrd: Math.max(standing.seenOrd, told.headOrd - told.unread) }) : moved
}
