import type { SendableBody } from '@innerline/protocol'
import type { Entry, Head, LastEntry } from '../domain/entry.js'
import { visibleRange, type Member } from '../domain/member.js'
import { previewOf } from '../domain/preview.js'
import type { Conversation, MemberRow, StoredEntry } from './data.js'

/** Copies, so that nobody outside holds a live row. */

export const entryOf = (entry: StoredEntry): Entry => ({
  conversationId: entry.conversation.conversationId,
  seq: entry.seq,
  ord: entry.ord,
  msgId: entry.msgId,
  fromUserId: entry.fromUserId,
  timestamp: entry.timestamp,
  kind: entry.kind,
  bodyJson: entry.bodyJson,
  replyTo: entry.replyTo,
  mentions: entry.mentions,
  target: entry.target,
  editedAt: entry.editedAt,
  recalledAt: entry.recalledAt,
})

const lastOf = (entry: StoredEntry, preview: string): LastEntry => ({
  seq: entry.seq,
  msgId: entry.msgId,
  fromUserId: entry.fromUserId,
  kind: entry.kind,
  preview,
  timestamp: entry.timestamp,
})

export const headOf = (conversation: Conversation): Head => ({
  conversationId: conversation.conversationId,
  chatType: conversation.chatType,
  headSeq: conversation.headSeq,
  headOrd: conversation.headOrd,
  lowSeq: conversation.lowSeq,
  lowOrd: conversation.lowOrd,
  memberVersion: conversation.memberVersion,
  state: conversation.state,
  createdAt: conversation.createdAt,
  updatedAt: conversation.updatedAt,
  last: conversation.last && lastOf(conversation.last, conversation.lastPreview),
})

export const memberOf = (row: MemberRow): Member => ({
  conversationId: row.conversation.conversationId,
  userId: row.userId,
  joinSeq: row.joinSeq,
  visibleFrom: row.visibleFrom,
  visibleOrd: row.visibleOrd,
  leaveSeq: row.leaveSeq,
  leaveOrd: row.leaveOrd,
  deliveredSeq: row.deliveredSeq,
  readSeq: row.readSeq,
  readOrd: row.readOrd,
  sentOrd: row.sentOrd,
  mentionSeq: row.mentionSeq,
  mutedUntil: row.mutedUntil,
  pinned: row.pinned,
  hidden: row.hiddenOrd !== undefined && row.conversation.headOrd <= row.hiddenOrd,
})

function storedPreview(entry: StoredEntry): string {
  const body = JSON.parse(entry.bodyJson) as SendableBody | null
  return body === null ? '' : previewOf(body)
}

/** Whether an entry of this kind is what a list shows as the newest; recalls and edits mend the one they are about. */
export const showsInList = (kind: StoredEntry['kind']): boolean => kind === 'message' || kind === 'system'

/**
 * The head as this member may know it: newest entry, time and preview end where their view ends. Undefined when they
 * can see no entry.
 */
export function clampedHead(row: MemberRow): Head | undefined {
  const { conversation } = row
  const range = visibleRange(conversation, row)
  if (range.from > range.to) return undefined
  const head = headOf(conversation)
  const whole = range.to === conversation.headSeq
  if (whole && (conversation.last === undefined || conversation.last.seq >= range.from)) return head
  let last: LastEntry | undefined
  for (let seq = range.to; seq >= range.from && last === undefined; seq--) {
    const entry = conversation.at(seq)
    if (entry !== undefined && showsInList(entry.kind)) last = lastOf(entry, storedPreview(entry))
  }
  if (whole) return { ...head, last }
  const newest = conversation.at(range.to)
  return { ...head, headSeq: range.to, headOrd: conversation.ordAt(range.to), updatedAt: newest?.timestamp ?? head.createdAt, last }
}
