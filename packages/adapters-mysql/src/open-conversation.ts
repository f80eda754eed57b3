import { ImError } from '@innerline/protocol'
import { type Head, type OpenConversation, userChannel } from '@innerline/server-core'
import type { Database } from './database.js'
import { CHANGE_KINDS, headColumns, headOf } from './rows.js'
import { bytes, id, isStorableId, Sql, sql, tuples } from './sql.js'
import { classify } from './sql-errors.js'
import { inTransaction } from './transaction.js'

/** Longest: a direct conversation of two ids of 64 characters. */
const MAX_CONVERSATION_ID = 160
const ATTEMPTS = 5

/**
 * Head, members' rows and change row in one transaction. Of several that race, the unique key lets one insert; the
 * others wait for its end and read what it made.
 */
export async function openConversation(database: Database, request: OpenConversation): Promise<Head> {
  assertStorable(request)
  for (let attempt = 1; ; attempt++) {
    const known = await findHead(database, request.conversationId)
    if (known !== undefined) return known
    try {
      await create(database, request)
    } catch (error) {
      const kind = classify(error)
      // After a lost COMMIT the look-up decides.
      const again = kind === 'duplicate' || kind === 'deadlock' || kind === 'lock-wait' || kind === 'lost' || kind === 'read-only'
      if (!again || attempt >= ATTEMPTS) throw error
      if (kind !== 'duplicate') await database.pause(20 * attempt)
    }
  }
}

async function findHead(database: Database, conversationId: string): Promise<Head | undefined> {
  const [row] = await database.read(sql`SELECT ${headColumns} FROM ${database.tables.session} s WHERE s.session_id=${id(conversationId)}`)
  return row && headOf(row)
}

function create(database: Database, { conversationId, chatType, userIds, nodeId, now }: OpenConversation): Promise<unknown> {
  const { session, cursor, change } = database.tables
  const users = [...new Set(userIds)].sort()
  const conversation = id(conversationId)
  const statements = [
    sql`INSERT INTO ${session} (session_id,chat_type,created_at,updated_at) VALUES (${conversation},${id(chatType)},${now},${now})`,
  ]
  if (users.length > 0) {
    const key = new Sql('LAST_INSERT_ID()')
    const rows = users.map((userId) => [id(userId), key, now])
    statements.push(sql`INSERT INTO ${cursor} (user_id,conversation_key,updated_at) VALUES ${tuples(rows)}`)
  }
  const channels = bytes(JSON.stringify(users.map(userChannel)))
  statements.push(
    sql`INSERT INTO ${change} (kind,session_id,channels,first_seq,last_seq,member_version,node_id,created_at) VALUES (${CHANGE_KINDS.indexOf(
      'members',
    )},${conversation},${channels},0,0,1,${id(nodeId)},${now})`,
  )
  return inTransaction(database.general, (transaction) => transaction.whole(...statements))
}

function assertStorable({ conversationId, userIds, nodeId }: OpenConversation): void {
  if (isStorableId(conversationId, MAX_CONVERSATION_ID) && isStorableId(nodeId) && userIds.every((userId) => isStorableId(userId))) return
  throw new ImError('INVALID_REQUEST', { detail: 'An id of the conversation, its members or the node cannot be stored.' })
}
