import mysql, { type Connection } from 'mysql2/promise'

/** What one append stores. */
export interface Message {
  readonly conversation: number
  readonly msgId: string
  readonly sender: string
  readonly bodyJson: string
  readonly preview: string
  readonly hash: string
}

/**
 * The rows that an append writes (entry, head, the sender's cursor, change), each message in a transaction of its own: as few statements
 * as do it, sent in one packet, without a look for duplicates, rights or frozen writers. Nobody could write it faster on these tables.
 */
export async function oneTransactionEach(
  url: string,
  namespace: string,
  connections: number,
): Promise<(message: Message) => Promise<void>> {
  const free: Connection[] = []
  for (let i = 0; i < connections; i++) {
    const connection = await mysql.createConnection({ uri: url, multipleStatements: true })
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
    free.push(connection)
  }
  const waiting: ((connection: Connection) => void)[] = []
  return async (message) => {
    const connection = free.pop() ?? (await new Promise<Connection>((resolve) => waiting.push(resolve)))
    await connection.query(transactionOf(namespace, message, Date.now()))
    const next = waiting.shift()
    if (next === undefined) free.push(connection)
    else next(connection)
  }
}

const hex = (text: string): string => `x'${Buffer.from(text).toString('hex')}'`

function transactionOf(namespace: string, { conversation, msgId, sender, bodyJson, preview, hash }: Message, now: number): string {
  const id = `x'${msgId.replaceAll('-', '')}'`
  const table = (name: string): string => `${namespace}_${name}`
  return [
    'START TRANSACTION',
    `UPDATE ${table('t_cs_session')} SET head_seq=LAST_INSERT_ID(head_seq+1),head_ord=head_ord+1,updated_at=${now},last_seq=head_seq,
      last_msg_id=${id},last_sender_id='${sender}',last_kind='message',last_preview=${hex(preview)},last_msg_time=${now}
      WHERE conversation_key=${conversation}`,
    `INSERT INTO ${table('t_cs_message')} (conversation_key,seq,ord,msg_id,session_id,chat_type,sender_id,kind,payload_hash,body,timestamp,
      created_at) VALUES (${conversation},LAST_INSERT_ID(),LAST_INSERT_ID(),${id},'g~${conversation}','group','${sender}','message',x'${hash}',
      ${hex(bodyJson)},${now},${now})`,
    `UPDATE ${table('t_im_cursor')} SET sent_ord=LAST_INSERT_ID() WHERE user_id='${sender}' AND conversation_key=${conversation}`,
    `INSERT INTO ${table('t_im_change')} (kind,session_id,channels,first_seq,last_seq,member_version,node_id,created_at)
      VALUES (1,'g~${conversation}',${hex(`["group:${conversation}"]`)},LAST_INSERT_ID(),LAST_INSERT_ID(),1,'bench',${now})`,
    'COMMIT',
  ].join(';')
}
