import type { ConversationStorage } from '@innerline/server-core'
import { Cursors } from './cursors.js'
import type { Database } from './database.js'
import { openConversation } from './open-conversation.js'
import { headColumns, headOf, memberColumns, memberOf, toOptionalSeq, toSeq, toText } from './rows.js'
import { id, ids, sql } from './sql.js'
import { readSummaries } from './summaries.js'

/** Heads, members and cursors. Each read is one statement, hence one snapshot. */
export function conversationStorage(database: Database): ConversationStorage {
  const { session, cursor } = database.tables
  const cursors = new Cursors(database)
  return {
    openConversation: (request) => openConversation(database, request),
    async readHeads(conversationIds) {
      if (conversationIds.length === 0) return []
      const rows = await database.read(
        sql`SELECT ${headColumns} FROM ${session} s WHERE s.session_id IN (${ids(new Set(conversationIds))})`,
      )
      return rows.map(headOf)
    },
    async readMember(conversationId, userId) {
      const [row] = await database.read(
        sql`SELECT ${headColumns},${memberColumns} FROM ${session} s LEFT JOIN ${cursor} c ON c.conversation_key=s.conversation_key AND c.user_id=${id(
          userId,
        )} WHERE s.session_id=${id(conversationId)}`,
      )
      if (row === undefined) return undefined
      return { head: headOf(row), member: row['user_id'] === null ? undefined : memberOf(row) }
    },
    async readMembers(conversationId, userIds) {
      const rows = await database.read(
        sql`SELECT ${headColumns},${memberColumns} FROM ${session} s LEFT JOIN ${cursor} c ON c.conversation_key=s.conversation_key AND c.user_id IN (${ids(
          userIds.length === 0 ? [''] : new Set(userIds),
        )}) WHERE s.session_id=${id(conversationId)}`,
      )
      const [first] = rows
      if (first === undefined) return undefined
      return { head: headOf(first), members: rows.filter((row) => row['user_id'] !== null).map(memberOf) }
    },
    async listMemberIds(conversationId, { after, limit }) {
      const rows = await database.read(
        sql`SELECT c.user_id FROM ${session} s JOIN ${cursor} c ON c.conversation_key=s.conversation_key WHERE s.session_id=${id(
          conversationId,
        )} AND c.leave_seq IS NULL AND c.user_id>${id(after ?? '')} ORDER BY c.user_id LIMIT ${limit}`,
      )
      return rows.map((row) => toText(row['user_id']))
    },
    async memberships(userId) {
      const rows = await database.read(
        sql`SELECT s.session_id,s.member_version,c.visible_from,c.leave_seq FROM ${cursor} c JOIN ${session} s ON s.conversation_key=c.conversation_key WHERE c.user_id=${id(
          userId,
        )}`,
      )
      return rows.map((row) => ({
        conversationId: toText(row['session_id']),
        visibleFrom: toSeq(row['visible_from']),
        leaveSeq: toOptionalSeq(row['leave_seq']),
        memberVersion: toSeq(row['member_version']),
      }))
    },
    summaries: (userId, page) => readSummaries(database, userId, page),
    advanceCursors: (moves) => cursors.advance(moves),
    async readCursors(conversationId, limit) {
      const rows = await database.read(
        sql`SELECT c.user_id,c.delivered_seq,c.read_seq FROM ${session} s JOIN ${cursor} c ON c.conversation_key=s.conversation_key WHERE s.session_id=${id(
          conversationId,
        )} AND c.leave_seq IS NULL ORDER BY c.user_id LIMIT ${limit}`,
      )
      return rows.map((row) => ({
        userId: toText(row['user_id']),
        deliveredSeq: toSeq(row['delivered_seq']),
        readSeq: toSeq(row['read_seq']),
      }))
    },
  }
}
