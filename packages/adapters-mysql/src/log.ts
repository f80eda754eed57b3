import type { CommittedMessage, Entry, LogStorage, MessageRange, MessageSlice } from '@innerline/server-core'
import type { Appender } from './append/appender.js'
import type { Database } from './database.js'
import type { Row } from './driver.js'
import { committedOf, entryColumns, entryOf, toSeq, toUuid } from './rows.js'
import { id, isUuid, listed, Sql, sql, uuid } from './sql.js'

/** Rows a read asks for at once while it does not know how large bodies are: at worst 3 MiB. */
const FIRST_CHUNK = 65

/** Conversations' logs. Retention is apart. */
export function logStorage(database: Database, appender: Appender): Omit<LogStorage, 'expireMessages'> {
  const { message, session } = database.tables
  return {
    appendMessages: (batch) => appender.append(batch),
    async findByMsgIds(msgIds) {
      const wanted = [...new Set(msgIds)].filter(isUuid)
      if (wanted.length === 0) return new Map()
      const rows = await database.read(
        sql`SELECT m.msg_id,m.session_id,m.seq,m.ord,m.timestamp,m.sender_id,m.payload_hash FROM ${message} m WHERE m.msg_id IN (${listed(
          wanted.map(uuid),
        )})`,
      )
      // What is found is answered for, as an append is.
      if (rows.length > 0) await database.makeDurable()
      return new Map<string, CommittedMessage>(rows.map((row) => [toUuid(row['msg_id']), committedOf(row)]))
    },
    readMessages: (range) => readRange(database, range),
    async findEntry(msgId) {
      if (!isUuid(msgId)) return undefined
      const [row] = await database.read(
        sql`SELECT ${entryColumns} FROM ${message} m JOIN ${session} s ON s.conversation_key=m.conversation_key WHERE m.msg_id=${uuid(
          msgId,
        )} AND m.seq>=s.low_seq`,
      )
      return row && entryOf(row)
    },
    async lastSeqBefore(conversationId, time) {
      const [row] = await database.read(
        sql`SELECT m.seq FROM ${session} s JOIN ${message} m ON m.conversation_key=s.conversation_key WHERE s.session_id=${id(
          conversationId,
        )} AND m.timestamp<${time} AND m.seq>=s.low_seq ORDER BY m.timestamp DESC,m.seq DESC LIMIT 1`,
      )
      return row === undefined ? 0 : toSeq(row['seq'])
    },
  }
}

/** In chunks, so that a page of 256 KiB never costs more than a few MiB however large its bodies are. */
async function readRange(database: Database, range: MessageRange): Promise<MessageSlice> {
  const { direction, limit, maxBytes } = range
  const entries: Entry[] = []
  let { from, to } = range
  let bytes = 0
  for (;;) {
    const wanted = limit + 1 - entries.length
    const size = entries.length === 0 ? FIRST_CHUNK : Math.ceil((maxBytes - bytes) / Math.max(1, bytes / entries.length)) + 1
    const chunk = Math.min(wanted, Math.max(size, FIRST_CHUNK))
    const rows = await readChunk(database, { ...range, from, to }, chunk)
    for (const row of rows) {
      const entry = entryOf(row)
      const length = (row['body'] as Uint8Array).byteLength
      if (entries.length > 0 && (entries.length >= limit || bytes + length > maxBytes)) return sliceOf(entries, direction, true)
      bytes += length
      entries.push(entry)
    }
    if (rows.length < chunk) return sliceOf(entries, direction, false)
    const { seq } = entries[entries.length - 1] as Entry
    if (direction === 'forward') from = seq + 1
    else to = seq - 1
  }
}

const sliceOf = (entries: Entry[], direction: MessageRange['direction'], more: boolean): MessageSlice => ({
  entries: direction === 'backward' ? entries.reverse() : entries,
  more,
})

/**
 * The index is forced: MySQL only guesses how many entries a range has, may take all of the conversation by time for fewer, and then
 * sorts them for one page.
 */
function readChunk(database: Database, range: MessageRange, rows: number): Promise<readonly Row[]> {
  const { session, message } = database.tables
  const order = new Sql(range.direction === 'forward' ? 'ASC' : 'DESC')
  return database.read(
    sql`SELECT ${entryColumns} FROM ${session} s JOIN ${message} m FORCE INDEX (PRIMARY) ON m.conversation_key=s.conversation_key WHERE s.session_id=${id(
      range.conversationId,
    )} AND m.seq>=${range.from} AND m.seq<=${range.to} AND m.seq>=s.low_seq ORDER BY m.seq ${order} LIMIT ${rows}`,
  )
}
