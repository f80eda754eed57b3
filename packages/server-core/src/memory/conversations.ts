import type { Head } from '../domain/entry.js'
import { endOrdOf, unreadOf, visibleRange } from '../domain/member.js'
import { userChannel } from '../domain/change.js'
import type { ConversationStorage, CursorMove, CursorState, OpenConversation } from '../ports/storage.js'
import { assertOpen, type MemoryContext } from './context.js'
import { Conversation, MemberRow, type MemoryData } from './data.js'
import { allocateChangeId, commitChange } from './feed-rows.js'
import { summaryPage } from './summaries.js'
import { headOf, memberOf } from './views.js'

/** Heads, members and cursors. */
export function conversationStorage(context: MemoryContext): ConversationStorage {
  const { data } = context
  return {
    async openConversation(request) {
      assertOpen(context)
      return open(data, request)
    },
    async readHeads(conversationIds) {
      assertOpen(context)
      const heads: Head[] = []
      for (const conversationId of new Set(conversationIds)) {
        const conversation = data.conversations.get(conversationId)
        if (conversation !== undefined) heads.push(headOf(conversation))
      }
      return heads
    },
    async readMember(conversationId, userId) {
      assertOpen(context)
      const conversation = data.conversations.get(conversationId)
      if (conversation === undefined) return undefined
      const row = conversation.members.get(userId)
      return { head: headOf(conversation), member: row && memberOf(row) }
    },
    async readMembers(conversationId, userIds) {
      assertOpen(context)
      const conversation = data.conversations.get(conversationId)
      if (conversation === undefined) return undefined
      const rows = [...new Set(userIds)].map((userId) => conversation.members.get(userId))
      return { head: headOf(conversation), members: rows.filter((row) => row !== undefined).map(memberOf) }
    },
    async listMemberIds(conversationId, { after, limit }) {
      assertOpen(context)
      const ids = presentIds(data.conversations.get(conversationId))
      const start = after === undefined ? 0 : ids.findIndex((id) => id > after)
      return start < 0 ? [] : ids.slice(start, start + limit)
    },
    async memberships(userId) {
      assertOpen(context)
      return Array.from(data.byUser.get(userId) ?? [], (row) => ({
        conversationId: row.conversation.conversationId,
        visibleFrom: row.visibleFrom,
        leaveSeq: row.leaveSeq,
        memberVersion: row.conversation.memberVersion,
      }))
    },
    async summaries(userId, page) {
      assertOpen(context)
      return summaryPage(data.byUser.get(userId) ?? new Set(), page)
    },
    async advanceCursors(moves) {
      assertOpen(context)
      return moves.map((move) => advance(data, move))
    },
    async readCursors(conversationId, limit) {
      assertOpen(context)
      const conversation = data.conversations.get(conversationId)
      return presentIds(conversation)
        .slice(0, limit)
        .map((userId) => {
          const row = conversation?.members.get(userId)
          return { userId, deliveredSeq: row?.deliveredSeq ?? 0, readSeq: row?.readSeq ?? 0 }
        })
    },
  }
}

function open(data: MemoryData, request: OpenConversation): Head {
  const known = data.conversations.get(request.conversationId)
  if (known !== undefined) return headOf(known)
  const conversation = new Conversation(request.conversationId, request.chatType, request.now)
  data.conversations.set(request.conversationId, conversation)
  for (const userId of new Set(request.userIds)) addMember(data, conversation, userId)
  commitChange(data.feed, {
    id: allocateChangeId(data.feed),
    kind: 'members',
    conversationId: request.conversationId,
    channels: [...new Set(request.userIds)].map(userChannel),
    firstSeq: 0,
    lastSeq: 0,
    memberVersion: conversation.memberVersion,
    nodeId: request.nodeId,
    at: request.now,
  })
  return headOf(conversation)
}

/** The user's row in the conversation, made if there is none. */
export function addMember(data: MemoryData, conversation: Conversation, userId: string): MemberRow {
  const known = conversation.members.get(userId)
  if (known !== undefined) return known
  const row = new MemberRow(conversation, userId)
  conversation.members.set(userId, row)
  conversation.presentIds = undefined
  const rows = data.byUser.get(userId)
  if (rows === undefined) data.byUser.set(userId, new Set([row]))
  else rows.add(row)
  return row
}

function presentIds(conversation: Conversation | undefined): readonly string[] {
  if (conversation === undefined) return []
  // Default order of strings is by code unit, as the ids' byte order in every backend.
  conversation.presentIds ??= [...conversation.members.values()]
    .filter((row) => row.leaveSeq === undefined)
    .map((row) => row.userId)
    .sort()
  return conversation.presentIds
}

function advance(data: MemoryData, move: CursorMove): CursorState | undefined {
  const row = data.conversations.get(move.conversationId)?.members.get(move.userId)
  if (row === undefined) return undefined
  const { conversation } = row
  const { to } = visibleRange(conversation, row)
  const readSeq = Math.max(row.readSeq, Math.min(move.readSeq ?? 0, to))
  const deliveredSeq = Math.max(row.deliveredSeq, readSeq, Math.min(move.deliveredSeq ?? 0, to))
  const moved = readSeq !== row.readSeq || deliveredSeq !== row.deliveredSeq
  if (readSeq !== row.readSeq) row.readOrd = conversation.ordAt(readSeq)
  row.readSeq = readSeq
  row.deliveredSeq = deliveredSeq
  return { deliveredSeq, readSeq, unread: unreadOf(conversation, row), headOrd: endOrdOf(conversation, row), moved }
}
