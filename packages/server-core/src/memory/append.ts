import { refusalToSend } from '../domain/send-rights.js'
import type { Change } from '../domain/change.js'
import type { AppendBatch, AppendItem, AppendResult } from '../ports/storage.js'
import type { MemoryContext } from './context.js'
import { StoredEntry, type Conversation, type MemoryData } from './data.js'
import { allocateChangeId, commitChange } from './feed-rows.js'
import { showsInList } from './views.js'

const notFound: AppendResult = { ok: false, code: 'NOT_FOUND', detail: 'There is no such conversation.' }
const noTarget: AppendResult = { ok: false, code: 'NOT_FOUND', detail: 'There is no such entry in this conversation.' }
const recalledTarget: AppendResult = { ok: false, code: 'STATE_CONFLICT', detail: 'The entry has been recalled.' }
const conflict: AppendResult = { ok: false, code: 'MSG_ID_CONFLICT' }

/** Ids that a held transaction allocated, by conversation. */
export type ReservedIds = ReadonlyMap<string, number>

/** Appends a batch in one synchronous step, which is what makes it atomic here. */
export function appendNow({ data }: MemoryContext, batch: AppendBatch, reserved?: ReservedIds): AppendResult[] {
  const touched: Conversation[] = []
  const results = new Array<AppendResult>(batch.items.length)
  for (let index = 0; index < batch.items.length; index++) {
    results[index] = appendOne(data, batch.items[index] as AppendItem, batch.now, touched)
  }
  for (const conversation of touched) {
    const pending = conversation.pending as NonNullable<Conversation['pending']>
    conversation.pending = undefined
    const change: Change = {
      id: reserved?.get(conversation.conversationId) ?? allocateChangeId(data.feed),
      kind: 'entries',
      conversationId: conversation.conversationId,
      channels: pending.channels,
      firstSeq: pending.firstSeq,
      lastSeq: pending.lastSeq,
      memberVersion: conversation.memberVersion,
      nodeId: batch.nodeId,
      at: batch.now,
    }
    commitChange(data.feed, change)
  }
  return results
}

function appendOne(data: MemoryData, item: AppendItem, now: number, touched: Conversation[]): AppendResult {
  const conversation = data.conversations.get(item.conversationId)
  const existing = data.byMsgId.get(item.msgId)
  if (existing !== undefined) return repeated(existing, item)
  if (conversation === undefined) return notFound
  const row = conversation.members.get(item.fromUserId)
  // System entries are written by the service itself, not on a member's right to send.
  if (conversation.memberVersion !== item.checkedAt && item.kind !== 'system') {
    const code = refusalToSend(conversation, row)
    if (code !== undefined) return { ok: false, code }
  }
  const mends = item.kind === 'recall' || item.kind === 'edit'
  let target: StoredEntry | undefined
  if (mends) {
    target = item.target === undefined ? undefined : data.byMsgId.get(item.target)
    if (target === undefined || target.conversation !== conversation) return noTarget
    // Under the lock an edit may find that a recall was first: a recalled text never comes back.
    if (item.kind === 'edit' && target.recalledAt !== undefined) return recalledTarget
  }

  const seq = ++conversation.headSeq
  const ord = item.countable ? ++conversation.headOrd : conversation.headOrd
  const timestamp = Math.max(now, conversation.updatedAt)
  const mentions = item.mentions && Object.freeze(item.mentions.slice())
  const entry = new StoredEntry(
    conversation,
    seq,
    ord,
    item.msgId,
    item.fromUserId,
    timestamp,
    item.kind,
    item.bodyJson,
    item.hash,
    item.replyTo,
    mentions,
    item.target,
  )
  conversation.entries.push(entry)
  data.byMsgId.set(item.msgId, entry)
  conversation.updatedAt = timestamp
  if (item.countable && row !== undefined) row.sentOrd = ord
  if (mentions !== undefined) raiseMentions(conversation, mentions, item.fromUserId, seq)
  if (target !== undefined) mendTarget(target, entry, item)
  else if (showsInList(item.kind)) {
    conversation.last = entry
    conversation.lastPreview = item.preview
  }
  noteChange(conversation, seq, item.channels, touched)
  return { ok: true, seq, ord, timestamp, duplicate: false, memberVersion: conversation.memberVersion }
}

function repeated(existing: StoredEntry, item: AppendItem): AppendResult {
  const { conversation } = existing
  const sameRecall = item.kind === 'recall' && existing.kind === 'recall'
  const sameRequest = existing.fromUserId === item.fromUserId && existing.hash === item.hash
  if (conversation.conversationId !== item.conversationId || !(sameRecall || sameRequest)) return conflict
  return {
    ok: true,
    seq: existing.seq,
    ord: existing.ord,
    timestamp: existing.timestamp,
    duplicate: true,
    memberVersion: conversation.memberVersion,
  }
}

function raiseMentions(conversation: Conversation, mentions: readonly string[], fromUserId: string, seq: number): void {
  const userIds = mentions.includes('*') ? conversation.members.keys() : mentions
  for (const userId of userIds) {
    const row = conversation.members.get(userId)
    if (row !== undefined && row.leaveSeq === undefined && userId !== fromUserId) row.mentionSeq = seq
  }
}

/** Blanks or replaces what the entry is about, in every place its body is kept. */
function mendTarget(target: StoredEntry, entry: StoredEntry, item: AppendItem): void {
  const { conversation } = target
  if (item.kind === 'recall') {
    target.bodyJson = 'null'
    target.recalledAt = entry.timestamp
    for (const edit of target.edits ?? []) edit.bodyJson = 'null'
  } else {
    target.bodyJson = item.bodyJson
    target.editedAt = entry.timestamp
    target.edits ??= []
    target.edits.push(entry)
  }
  if (conversation.last === target) conversation.lastPreview = item.preview
}

function noteChange(conversation: Conversation, seq: number, channels: readonly string[], touched: Conversation[]): void {
  const { pending } = conversation
  if (pending === undefined) {
    conversation.pending = { firstSeq: seq, lastSeq: seq, channels: channels.slice() }
    touched.push(conversation)
    return
  }
  pending.lastSeq = seq
  for (const channel of channels) if (!pending.channels.includes(channel)) pending.channels = [...pending.channels, channel]
}
