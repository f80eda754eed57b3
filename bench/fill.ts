import type { Connection } from 'mysql2/promise'

/** Conversations that are there before anything is measured. */
export interface Fill {
  /** Their numbers, which are their keys too, from `first` on; the one numbered n has the id `g~n`. */
  readonly first: number
  readonly conversations: number
  readonly messages: number
  /** SQL for each member's id; `n` is the conversation's number. The first one has sent everything. */
  readonly members: readonly [string, ...string[]]
}

/** Rows of one INSERT … SELECT: its undo and its lock on the numbers stay small. */
const SLICE = 50_000
const EPOCH_MS = 1_700_000_000_000
const TEXT = 'The quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs. '.repeat(3).slice(0, 200)

/** Fills the tables of a namespace by the server's own means, as sending a million messages would take minutes. */
export async function fill(connection: Connection, namespace: string, what: Fill): Promise<void> {
  const { first, conversations, messages, members } = what
  const table = (name: string): string => `${namespace}_${name}`
  const run = (statement: string) => connection.query(statement)
  // Neither the log of a replica nor checks of what cannot be repeated belong to the figures that follow.
  await run('SET SESSION sql_log_bin=0, SESSION unique_checks=0')
  await numbers(run, table('numbers'), Math.max(first + conversations, Math.min(messages, SLICE)))
  const each = `n BETWEEN ${first} AND ${first + conversations - 1}`
  const [sender] = members
  const last = EPOCH_MS + messages
  await run(`INSERT INTO ${table('t_cs_session')} (conversation_key,session_id,chat_type,head_seq,head_ord,low_time,last_seq,last_msg_id,
      last_sender_id,last_kind,last_preview,last_msg_time,created_at,updated_at)
    SELECT n,CONCAT('g~',n),'group',${messages},${messages},${messages > 1 ? EPOCH_MS : 'NULL'},${messages || 'NULL'},
      ${messages === 0 ? 'NULL' : msgIdOf('n', `${messages}`)},${sender},'message','${TEXT.slice(0, 100)}',${last},${EPOCH_MS},${last}+n
    FROM ${table('numbers')} WHERE ${each}`)
  const seen = Math.max(0, messages - 3)
  for (const member of members) {
    await run(`INSERT INTO ${table('t_im_cursor')} (user_id,conversation_key,delivered_seq,read_seq,read_ord,updated_at)
      SELECT ${member},n,${seen},${seen},${seen},0 FROM ${table('numbers')} WHERE ${each}`)
  }
  for (let n = first; messages > 0 && n < first + conversations; n += Math.max(1, Math.floor(SLICE / messages))) {
    const until = Math.min(first + conversations, n + Math.max(1, Math.floor(SLICE / messages)))
    for (let offset = 0; offset < messages; offset += SLICE) {
      const seq = `(m.n+${offset})`
      await run(`INSERT INTO ${table('t_cs_message')} (conversation_key,seq,ord,msg_id,session_id,chat_type,sender_id,kind,payload_hash,body,
          timestamp,created_at)
        SELECT c.n,${seq},${seq},${msgIdOf('c.n', seq)},CONCAT('g~',c.n),'group',${sender.replace(/\bn\b/g, 'c.n')},'message',
          REPEAT('h',16),CONCAT('{"type":"text","text":"<#',${seq},'>${TEXT}"}'),${EPOCH_MS}+${seq},${EPOCH_MS}+${seq}
        FROM ${table('numbers')} c JOIN ${table('numbers')} m
        WHERE c.n BETWEEN ${n} AND ${until - 1} AND m.n<=${Math.min(SLICE, messages - offset)} ORDER BY c.n,m.n`)
    }
  }
  await run(`DROP TABLE ${table('numbers')}`)
  for (const name of ['t_cs_session', 't_cs_message', 't_im_cursor']) await run(`ANALYZE TABLE ${table(name)}`)
}

/** A UUIDv7 in form, rising with the seq as those of clients rise with time. */
const msgIdOf = (conversation: string, seq: string): string =>
  `UNHEX(CONCAT('0190',LPAD(HEX(${seq}),8,'0'),'70008',LPAD(HEX(${conversation}),15,'0')))`

async function numbers(run: (statement: string) => Promise<unknown>, table: string, count: number): Promise<void> {
  await run(`CREATE TABLE ${table} (n INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE=InnoDB`)
  for (let n = 1; n <= count; n += 10_000) {
    const values = Array.from({ length: Math.min(10_000, count - n + 1) }, (_, i) => `(${n + i})`)
    await run(`INSERT INTO ${table} VALUES ${values.join(',')}`)
  }
}
