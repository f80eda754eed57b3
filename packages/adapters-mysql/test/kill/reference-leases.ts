import { ImError } from '@innerline/protocol'
import type { FeedPosition, Lease } from '@innerline/server-core'
import type { Pool, ResultSetHeader, RowDataPacket } from 'mysql2/promise'
import type { ReferenceTables } from './reference-schema.js'

const NOW = 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)'

export async function acquireLease(
  pool: Pool,
  { lease }: ReferenceTables,
  { name, holder, ttlMs }: { readonly name: string; readonly holder: string; readonly ttlMs: number },
): Promise<Lease | undefined> {
  await pool.query(`INSERT IGNORE INTO ${lease} (name, holder, fence, ends_at) VALUES (?, '', 0, 0)`, [name])
  await pool.query(
    `UPDATE ${lease} SET fence = fence + IF(holder = ?, 0, 1), holder = ?, ends_at = ${NOW} + ? WHERE name = ? AND (holder = ? OR ends_at <= ${NOW})`,
    [holder, holder, ttlMs, name, holder],
  )
  const [rows] = await pool.query<RowDataPacket[]>(`SELECT * FROM ${lease} WHERE name = ?`, [name])
  const [row] = rows
  return row?.['holder'] === holder ? { name, holder, fence: Number(row['fence']) } : undefined
}

export async function openReader(
  pool: Pool,
  { reader }: ReferenceTables,
  name: string,
): Promise<{ readonly position: FeedPosition; readonly gap: boolean }> {
  await pool.query(`INSERT IGNORE INTO ${reader} (name, position) VALUES (?, 0)`, [name])
  const [rows] = await pool.query<RowDataPacket[]>(`SELECT * FROM ${reader} WHERE name = ?`, [name])
  return { position: { epoch: 1, id: Number(rows[0]?.['position']), missing: [] }, gap: false }
}

/** Saves under the lease's fence, or with the fault planted on the caller's word that it holds the lease. */
export async function saveReader(
  pool: Pool,
  { reader, lease: leases }: ReferenceTables,
  { name, position, lease }: { readonly name: string; readonly position: FeedPosition; readonly lease: Lease },
  fenced: boolean,
): Promise<void> {
  const held = `EXISTS (SELECT 1 FROM ${leases} l WHERE l.name = ? AND l.holder = ? AND l.fence = ? AND l.ends_at > ${NOW})`
  const values = fenced ? [position.id, name, lease.name, lease.holder, lease.fence] : [position.id, name]
  const where = fenced ? ` AND ${held}` : ''
  // Without CLIENT_FOUND_ROWS an unchanged row would count as not updated: mysql2 sets that flag.
  const [{ affectedRows }] = await pool.query<ResultSetHeader>(`UPDATE ${reader} SET position = ? WHERE name = ?${where}`, values)
  if (affectedRows === 0) throw new ImError('STATE_CONFLICT', { detail: `The lease ${lease.name} is not held any more.` })
}
