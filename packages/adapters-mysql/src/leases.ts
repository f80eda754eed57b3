import { ImError } from '@innerline/protocol'
import type { Lease, LeaseStorage } from '@innerline/server-core'
import { type Database, rowsOf } from './database.js'
import { toSeq, toText } from './rows.js'
import { bytes, databaseNow, sql, text } from './sql.js'
import type { Tables } from './tables.js'
import type { Transaction } from './transaction.js'

/** Leases on the database's clock, and dead letters. */
export function leaseStorage(database: Database): LeaseStorage {
  const { lease, deadLetter } = database.tables
  return {
    async acquireLease({ name, holder, ttlMs }) {
      // Assignments see the ones before them: the fence is decided by the old holder, the end by the new one. NOW() is
      // the statement's begin, so whoever waited for the row judges by an earlier time, which never ends a lease early.
      const [, rows] = await database.run(
        sql`INSERT INTO ${lease} (name,holder,fence,expires_at) VALUES (${text(name)},${text(
          holder,
        )},1,${databaseNow}+${ttlMs}) ON DUPLICATE KEY UPDATE fence=IF(holder=${text(holder)} OR expires_at>${databaseNow},fence,fence+1),holder=IF(holder=${text(
          holder,
        )} OR expires_at<=${databaseNow},${text(holder)},holder),expires_at=IF(holder=${text(holder)},${databaseNow}+${ttlMs},expires_at)`,
        sql`SELECT l.holder,l.fence FROM ${lease} l WHERE l.name=${text(name)}`,
      )
      const [row] = rowsOf(rows)
      return row !== undefined && toText(row['holder']) === holder ? { name, holder, fence: toSeq(row['fence']) } : undefined
    },
    async releaseLease({ name, holder, fence }) {
      // The row stays for its fence: the next holder must get a higher one.
      await database.run(
        sql`UPDATE ${lease} SET expires_at=0,holder=${text('')} WHERE name=${text(name)} AND holder=${text(holder)} AND fence=${fence}`,
      )
    },
    async putDeadLetter({ group, key, recordJson, error }) {
      const values = sql`${text(group)},${bytes(key)},${bytes(recordJson)},${bytes(error)},${database.clock.now()}`
      await database.run(sql`INSERT INTO ${deadLetter} (consumer,record_key,record,error,created_at) VALUES (${values})`)
    },
    async listDeadLetters(limit) {
      const rows = await database.read(
        sql`SELECT d.id,CAST(d.consumer AS BINARY) AS consumer,d.record_key,d.record,d.error,d.created_at FROM ${deadLetter} d ORDER BY d.id DESC LIMIT ${limit}`,
      )
      return rows.map((row) => ({
        ...{ id: toSeq(row['id']), at: toSeq(row['created_at']), group: toText(row['consumer']), key: toText(row['record_key']) },
        ...{ recordJson: toText(row['record']), error: toText(row['error']) },
      }))
    },
  }
}

/** Locks the lease's row until the transaction ends, so that nobody takes it over meanwhile. Rejects `STATE_CONFLICT` unless it is held. */
export async function assertHeld(tables: Tables, transaction: Transaction, { name, holder, fence }: Lease): Promise<void> {
  const [rows] = await transaction.run(
    sql`SELECT l.fence FROM ${tables.lease} l WHERE l.name=${text(name)} AND l.holder=${text(
      holder,
    )} AND l.fence=${fence} AND l.expires_at>${databaseNow} FOR UPDATE`,
  )
  if (rowsOf(rows).length === 0) throw new ImError('STATE_CONFLICT', { detail: `The lease "${name}" is not held any more.` })
}
