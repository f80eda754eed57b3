import type { Connection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { connect } from './support/scratch.js'
import { testServers } from './support/servers.js'
import { type Asked, explain, type SpiedStorage, spiedStorage } from './support/spy.js'

const SHORT = 1_000
const LONG = 20_000

/** Entries of one conversation, in slices of one packet each. */
async function entries(connection: Connection, namespace: string, key: number, count: number): Promise<void> {
  const body = `x'${Buffer.from(JSON.stringify({ type: 'text', text: 'a text of some length '.repeat(10) })).toString('hex')}'`
  await connection.query(`INSERT INTO ${namespace}_t_cs_session (conversation_key,session_id,chat_type,head_seq,head_ord,created_at,updated_at)
    VALUES (${key},'g~${key}','group',${count},${count},0,${key})`)
  // Has left one entry before the end, so that the newest one this member may see is looked up.
  await connection.query(`INSERT INTO ${namespace}_t_im_cursor (user_id,conversation_key,leave_seq,leave_ord,updated_at)
    VALUES ('ann',${key},${count - 1},${count - 1},0)`)
  for (let from = 1; from <= count; from += 1_000) {
    const rows = Array.from({ length: Math.min(1_000, count - from + 1) }, (_, i) => {
      const seq = from + i
      return `(${key},${seq},${seq},UNHEX(LPAD(HEX(${key * 1_000_000 + seq}),32,'0')),'g~${key}','group','ann','message','0123456789abcdef',${body},${seq},${seq})`
    })
    await connection.query(`INSERT INTO ${namespace}_t_cs_message
      (conversation_key,seq,ord,msg_id,session_id,chat_type,sender_id,kind,payload_hash,body,timestamp,created_at) VALUES ${rows.join(',')}`)
  }
}

for (const { name, uri } of testServers) {
  describe(`pages of a short conversation beside a long one on ${name}`, () => {
    let harness: MysqlHarness
    let connection: Connection
    let spied: SpiedStorage
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
      await entries(harness.connection, harness.namespace, 1, SHORT)
      await entries(harness.connection, harness.namespace, 2, LONG)
      await harness.connection.query(`ANALYZE TABLE ${harness.namespace}_t_cs_message`)
      connection = await connect(uri)
      spied = await spiedStorage(connection, { uri, namespace: harness.namespace })
    })
    afterAll(async () => {
      await spied?.close()
      await connection?.end()
      await harness?.dispose()
    })

    const keysOf = async ({ statements }: Asked): Promise<readonly (string | null)[]> =>
      (await Promise.all(statements.map((statement) => explain(harness.connection, statement))))
        .flat()
        .flatMap(({ table, key }) => (table === 'm' ? [key] : []))

    it.each([1, 2])('reads the newest page of conversation %i alone, by its place in the log', async (key) => {
      const asked = await spied.ask(() =>
        spied.storage.readMessages({
          ...{ conversationId: `g~${key}`, from: 1, to: Number.MAX_SAFE_INTEGER, direction: 'backward', limit: 50, maxBytes: 262_144 },
        }),
      )
      expect(asked.rowsTouched).toBeLessThanOrEqual(60)
      expect(await keysOf(asked)).toEqual(['PRIMARY'])
    })

    it('finds the newest entry of a view that ends before the head by its place in the log', async () => {
      const asked = await spied.ask(() => spied.storage.summaries('ann', { limit: 10 }))
      expect(asked.rowsTouched).toBeLessThanOrEqual(60)
      expect(await keysOf(asked)).toEqual(['PRIMARY', 'PRIMARY'])
    })
  })
}
