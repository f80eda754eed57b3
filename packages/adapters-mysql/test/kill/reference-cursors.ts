import type { CursorMove, CursorState } from '@innerline/server-core'
import type { Pool, RowDataPacket } from 'mysql2/promise'
import type { ReferenceTables } from './reference-schema.js'

interface Position {
  readonly deliveredSeq: number
  readonly readSeq: number
}

export async function readCursor(
  pool: Pool,
  { cursor }: ReferenceTables,
  conversationId: string,
  userId: string,
): Promise<Position | undefined> {
  const [rows] = await pool.query<RowDataPacket[]>(`SELECT * FROM ${cursor} WHERE user_id = ? AND id = ?`, [userId, conversationId])
  const [row] = rows
  return row === undefined ? undefined : { deliveredSeq: Number(row['delivered']), readSeq: Number(row['seen']) }
}

/** Moves by GREATEST, or with the fault planted by writing what was read and raised outside. */
export async function moveCursor(
  pool: Pool,
  tables: ReferenceTables,
  move: CursorMove,
  readModifyWrite: boolean,
): Promise<CursorState | undefined> {
  const { conversationId, userId, deliveredSeq = 0, readSeq = 0 } = move
  const before = await readCursor(pool, tables, conversationId, userId)
  if (before === undefined) return undefined
  const read = Math.max(before.readSeq, readSeq)
  const delivered = Math.max(before.deliveredSeq, deliveredSeq, read)
  const values = readModifyWrite ? '?, seen = ?' : 'GREATEST(delivered, ?), seen = GREATEST(seen, ?)'
  await pool.query(`UPDATE ${tables.cursor} SET delivered = ${values} WHERE user_id = ? AND id = ?`, [
    delivered,
    read,
    userId,
    conversationId,
  ])
  return { deliveredSeq: delivered, readSeq: read, unread: 0, headOrd: 0, moved: true }
}
