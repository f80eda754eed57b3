import type { Connection } from 'mysql2/promise'

export interface Seed {
  readonly conversations: number
  readonly messages: number
  /** Conversations that the user `many` is in; the others have two members of their own. */
  readonly ofMany: number
}

/** Fills the tables of a namespace by the server's own means: a million entries in some seconds. */
export async function seedLog(connection: Connection, namespace: string, { conversations, messages, ofMany }: Seed): Promise<void> {
  const table = (name: string): string => `\`${namespace}_${name}\``
  const numbers = `${namespace}_numbers`
  const now = 1_700_000_000_000
  const run = (statement: string) => connection.query(statement)
  await run(`CREATE TABLE ${numbers} (n INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE=InnoDB`)
  const max = Math.max(conversations, messages)
  for (let n = 1; n <= max; n += 5_000) {
    const values = Array.from({ length: Math.min(5_000, max - n + 1) }, (_, i) => `(${n + i})`)
    await run(`INSERT INTO ${numbers} VALUES ${values.join(',')}`)
  }
  await run(`INSERT INTO ${table('t_cs_session')} (conversation_key, session_id, chat_type, head_seq, head_ord, low_time, last_seq, last_msg_id,
      last_sender_id, last_kind, last_preview, last_msg_time, created_at, updated_at)
    SELECT n, CONCAT('g~', n), 'group', ${messages}, ${messages}, ${now}, ${messages}, UNHEX(LPAD(HEX(n * 1000000 + ${messages}), 32, '0')),
      CONCAT('a', n), 'message', 'the newest', ${now} + ${messages}, ${now}, ${now} + ${messages} + n FROM ${numbers} WHERE n <= ${conversations}`)
  for (const [member, from] of [
    [`CONCAT('a', n)`, 0],
    [`CONCAT('b', n)`, 0],
    [`'many'`, conversations - ofMany],
  ] as const) {
    await run(`INSERT INTO ${table('t_im_cursor')} (user_id, conversation_key, delivered_seq, read_seq, read_ord, updated_at)
      SELECT ${member}, n, ${messages} - 3, ${messages} - 5, ${messages} - 5, 0 FROM ${numbers} WHERE n > ${from} AND n <= ${conversations}`)
  }
  for (let n = 1; n <= conversations; n += 100) {
    await run(`INSERT INTO ${table('t_cs_message')} (conversation_key, seq, ord, msg_id, session_id, chat_type, sender_id, kind, payload_hash, body,
        timestamp, created_at)
      SELECT c.n, m.n, m.n, UNHEX(LPAD(HEX(c.n * 1000000 + m.n), 32, '0')), CONCAT('g~', c.n), 'group', CONCAT('a', c.n), 'message',
        REPEAT('h', 16), CONCAT('{"type":"text","text":"message ', m.n, ' of ', c.n, '"}'), ${now} + m.n, ${now} + m.n
      FROM ${numbers} c JOIN ${numbers} m WHERE c.n BETWEEN ${n} AND ${n + 99} AND c.n <= ${conversations} AND m.n <= ${messages}`)
  }
  await run(`INSERT INTO ${table('t_im_change')} (id, kind, session_id, channels, first_seq, last_seq, member_version, node_id, created_at)
    SELECT c.n * 20 + k.n - 20, 1, CONCAT('g~', c.n), '[]', k.n, k.n, 1, 'n', ${now} FROM ${numbers} c JOIN ${numbers} k
    WHERE c.n <= ${conversations} AND k.n <= 20`)
  await run(`UPDATE ${table('t_im_state')} SET resolved_floor = ${conversations * 20 - 100}`)
  await run(`DROP TABLE ${numbers}`)
  for (const name of ['t_cs_session', 't_cs_message', 't_im_cursor', 't_im_change']) await run(`ANALYZE TABLE ${table(name)}`)
}

/** The msgId of a seeded entry. */
export function seededMsgId(conversation: number, seq: number): string {
  const hex = (conversation * 1_000_000 + seq).toString(16).padStart(32, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
