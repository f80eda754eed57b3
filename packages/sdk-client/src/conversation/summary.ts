import type { ChatMessage, ConversationSummary, LastMessage } from '@innerline/protocol'

/** What is known of a conversation apart from its entries, and how entries move it. */
export interface Standing extends ConversationSummary {
  /** Countable entries seen or written by this user, as far as the badge goes: `unread = headOrd - seenOrd`. */
  readonly seenOrd: number
}

/** As the server makes it: one line, at most 100 characters. */
export function preview({ body }: ChatMessage): string {
  const { type, text, name } = (body ?? {}) as { readonly type?: string; readonly text?: unknown; readonly name?: unknown }
  const line = [...(type === 'text' ? String(text).replace(/\s+/gu, ' ').trim() : type ? `[${type}] ${name ?? ''}`.trim() : '')]
  return line.length > 100 ? `${line.slice(0, 99).join('')}…` : line.join('')
}

const withUnread = (standing: Standing): Standing => ({ ...standing, unread: Math.max(0, standing.headOrd - standing.seenOrd) })

/**
 * A summary from the server. What this client knows better is kept: entries seen here already (both come over different ways), and
 * a markRead that the server has not heard of yet.
 */
export function absorb(standing: Standing | undefined, summary: ConversationSummary): Standing {
  const seenOrd = summary.headOrd - summary.unread
  if (!standing) return { ...summary, seenOrd }
  const { headSeq, headOrd, lastMessage, updatedAt, mentionSeq, readSeq, deliveredSeq } = standing
  const ahead = headSeq > summary.headSeq
  return withUnread({
    ...summary,
    ...(ahead ? { headSeq, headOrd, updatedAt, mentionSeq, ...(lastMessage ? { lastMessage } : {}) } : {}),
    readSeq: Math.max(readSeq, summary.readSeq),
    deliveredSeq: Math.max(deliveredSeq, summary.deliveredSeq),
    seenOrd: ahead || readSeq > summary.readSeq ? Math.max(seenOrd, standing.seenOrd) : seenOrd,
  })
}

/** What an entry does to head, preview and unread. Entries at or below the head do nothing but mend the preview. */
export function advanceBy(standing: Standing, entry: ChatMessage, userId: string | undefined): Standing {
  if (entry.seq <= standing.headSeq) return standing
  const own = entry.fromUserId === userId
  const { lastMessage } = standing
  const about = entry.target !== undefined && lastMessage?.msgId === entry.target
  const last: LastMessage | undefined =
    entry.kind === 'message' || entry.kind === 'system'
      ? {
          seq: entry.seq,
          msgId: entry.msgId,
          fromUserId: entry.fromUserId,
          kind: entry.kind,
          preview: preview(entry),
          timestamp: entry.timestamp,
        }
      : about
        ? { ...lastMessage, preview: entry.kind === 'edit' ? preview(entry) : '' }
        : lastMessage
  const seen = own || entry.seq <= standing.readSeq
  return withUnread({
    ...standing,
    headSeq: entry.seq,
    headOrd: Math.max(standing.headOrd, entry.ord),
    seenOrd: seen ? Math.max(standing.seenOrd, entry.ord) : standing.seenOrd,
    mentionSeq: !own && entry.mentions?.some((id) => id === userId || id === '*') ? entry.seq : standing.mentionSeq,
    hidden: false,
    updatedAt: Math.max(standing.updatedAt, entry.timestamp),
    ...(last ? { lastMessage: last } : {}),
  })
}

/** Own cursors, told by the server (with `unread`) or moved here (without: known only where everything is read). */
export function moveCursor(standing: Standing, readSeq: number, deliveredSeq: number, unread: number | undefined): Standing {
  const moved = {
    ...standing,
    readSeq: Math.max(standing.readSeq, readSeq),
    deliveredSeq: Math.max(standing.deliveredSeq, deliveredSeq, readSeq),
  }
  const left = unread ?? (readSeq >= standing.headSeq ? 0 : undefined)
  // A cursor event that crossed a later markRead of ours must not bring the badge back.
  if (left === undefined || readSeq < standing.readSeq) return moved
  return withUnread({ ...moved, seenOrd: standing.headOrd - left })
}
