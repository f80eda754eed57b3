import { systemClock, systemIds, type Storage } from '@innerline/server-core'
import type { StorageHarness } from '@innerline/server-core/contract'
import type { Connection } from 'mysql2/promise'
import { type MysqlStorageOptions, mysqlStorage } from '../../src/index.js'
import { connect, dropNamespace, freshNamespace, rowsOf } from './scratch.js'

const ids = systemIds()
/** What a test's server is warned of is no news. */
const quiet = { warn: () => undefined }
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export interface MysqlHarness extends StorageHarness {
  readonly namespace: string
  /** Beside the adapter. */
  readonly connection: Connection
}

/** A storage on tables of its own. `options` says how the storage connects; by default with the URI. */
export async function mysqlHarness(
  uri: string,
  options: (namespace: string) => MysqlStorageOptions = (namespace) => ({ uri, namespace, logger: quiet }),
): Promise<MysqlHarness> {
  const namespace = freshNamespace()
  const started: Storage[] = []
  const held = new Set<Connection>()
  const node = async (): Promise<Storage> => {
    const storage = mysqlStorage(options(namespace))
    started.push(storage)
    await storage.start()
    return storage
  }
  const storage = await node()
  const connection = await connect(uri)
  const table = (name: string): string => `\`${namespace}_${name}\``
  const membersMoved = async (conversationId: string, userIds: readonly string[]): Promise<void> => {
    await connection.query(`UPDATE ${table('t_cs_session')} SET member_version = member_version + 1 WHERE session_id = ?`, [conversationId])
    await connection.query(
      `INSERT INTO ${table('t_im_change')} (kind, session_id, channels, first_seq, last_seq, member_version, node_id, created_at)
       SELECT 2, session_id, ?, 0, 0, member_version, 'controls', ? FROM ${table('t_cs_session')} WHERE session_id = ?`,
      [JSON.stringify(userIds.map((userId) => `user:${userId}`)), systemClock.now(), conversationId],
    )
  }
  /** Countable entries up to `seq`, as the use cases would know them. Part of an update it would wait for an open append next to it. */
  const ordAt = async (conversationId: string, seq: number): Promise<number> => {
    const [row] = await rowsOf(
      connection,
      `SELECT COALESCE((SELECT MAX(m.ord) FROM ${table('t_cs_message')} m WHERE m.conversation_key = s.conversation_key AND m.seq <= ${seq}), s.low_ord) AS ord
       FROM ${table('t_cs_session')} s WHERE s.session_id = ${connection.escape(conversationId)}`,
    )
    return Number(row?.['ord'] ?? 0)
  }
  return {
    namespace,
    connection,
    clock: systemClock,
    ids,
    storage,
    second: node,
    advance: wait,
    async lateAppend(item) {
      const tx = await connect(uri)
      held.add(tx)
      await tx.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED')
      await tx.beginTransaction()
      const results = await storage.appendInTransaction?.(tx, { nodeId: 'late', now: systemClock.now(), items: [item] })
      if (results?.[0]?.ok !== true) throw new Error(`A late append was refused: ${JSON.stringify(results)}`)
      const end = (how: 'commit' | 'rollback') => async (): Promise<void> => {
        if (!held.delete(tx)) return
        await tx[how]()
        await tx.end()
      }
      return { commit: end('commit'), rollback: end('rollback') }
    },
    async arrangeMember(conversationId, userId, { joinSeq, visibleFrom, leaveSeq, hidden }) {
      const sets: string[] = []
      if (joinSeq !== undefined) sets.push(`c.join_seq = ${joinSeq}`)
      if (visibleFrom !== undefined)
        sets.push(`c.visible_from = ${visibleFrom}`, `c.visible_ord = ${await ordAt(conversationId, visibleFrom - 1)}`)
      if (leaveSeq === null) sets.push('c.leave_seq = NULL', 'c.leave_ord = NULL')
      else if (leaveSeq !== undefined) {
        // The head keeps the newest mentions of all alone, so what the leaver has seen goes with them.
        const ofAll = 'IF(s.mention_all_by <=> c.user_id, s.mention_all_other, s.mention_all_seq)'
        sets.push(`c.mention_seq = GREATEST(c.mention_seq, IF(${ofAll} > c.join_seq AND ${ofAll} <= ${leaveSeq}, ${ofAll}, 0))`)
        sets.push(`c.leave_seq = ${leaveSeq}`, `c.leave_ord = ${await ordAt(conversationId, leaveSeq)}`)
      }
      if (hidden !== undefined) sets.push(`c.hidden_ord = ${hidden ? 's.head_ord' : 'NULL'}`)
      await connection.query(
        `INSERT IGNORE INTO ${table('t_im_cursor')} (user_id, conversation_key, updated_at)
         SELECT ?, conversation_key, 0 FROM ${table('t_cs_session')} WHERE session_id = ?`,
        [userId, conversationId],
      )
      if (sets.length > 0) {
        await connection.query(
          `UPDATE ${table('t_im_cursor')} c JOIN ${table('t_cs_session')} s ON s.conversation_key = c.conversation_key
           SET ${sets.join(', ')} WHERE c.user_id = ? AND s.session_id = ?`,
          [userId, conversationId],
        )
      }
      await membersMoved(conversationId, [userId])
    },
    async arrangeState(conversationId, state) {
      await connection.query(`UPDATE ${table('t_cs_session')} SET is_closed = ? WHERE session_id = ?`, [
        state === 'closed' ? 1 : 0,
        conversationId,
      ])
      const members = await rowsOf(
        connection,
        `SELECT c.user_id FROM ${table('t_im_cursor')} c JOIN ${table('t_cs_session')} s ON s.conversation_key = c.conversation_key WHERE s.session_id = ${connection.escape(conversationId)}`,
      )
      await membersMoved(
        conversationId,
        members.map((row) => String(row['user_id'])),
      )
    },
    async dispose() {
      for (const tx of held) tx.destroy()
      for (const each of started) await each.close()
      await connection.end()
      await dropNamespace(uri, namespace)
    },
  }
}
