import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import { mysqlStorage } from '@innerline/adapters-mysql'
import { createImServer } from '@innerline/server-core'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import type { BenchDatabase } from '../databases.js'
import { fill } from '../fill.js'
import type { Scale } from '../scale.js'
import { connectStomp } from '../wire/stomp.js'
import { CONNECT_MS, Failure } from './load.js'

export interface SummarySample {
  /** Conversations that the user is in. */
  readonly conversations: number
  /** Statements of one connect: attaching and the summary. */
  readonly statements: number
  /** The server's own time for the statement of the summary. */
  readonly summaryMs: number
  /** The same for all statements of the connect. */
  readonly connectMs: number
}

const SIZES = [10, 100, 500] as const
/** Others' conversations in the same tables. */
const OTHERS = 5_000
const MESSAGES = 20
const WARM_UP = 3
const LOGGED_MS = 5_000
/** Tables of the change feed, which a node reads all the time, whoever connects. */
const FEED = /_t_im_(?:change|state|reader|lease)\b/

/**
 * Users of 10, 100 and 500 conversations connect to a whole server in turn. What the database is asked, and how long each answer takes it,
 * is read from its own log of slow statements, which takes every one for slow here.
 */
export async function runSummary(database: BenchDatabase, scale: Scale): Promise<ReadonlyMap<number, readonly SummarySample[]>> {
  const namespace = database.freshNamespace()
  const storage = mysqlStorage({ uri: database.url, namespace })
  const failure = new Failure()
  const connection = await database.connect()
  const authenticate = ({ token }: { readonly token?: string | undefined }) =>
    token === undefined ? null : ({ userId: token, userType: 'user' } as const)
  // Set before anything of ours connects: a session keeps what it began with.
  await logEverything(connection)
  const im = createImServer({ storage, authenticate })
  const server = createServer()
  im.attach(server)
  await im.start()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await fillAll(connection, namespace)
    const samples = new Map<number, SummarySample[]>(SIZES.map((size) => [size, []]))
    for (let round = -WARM_UP; round < scale.summaryConnects; round++) {
      for (const conversations of SIZES) {
        await connection.query('TRUNCATE TABLE mysql.slow_log')
        const listener = { accepted: () => {}, delivered: () => {}, failed: failure.report }
        const login = { port, userId: `member${conversations}`, listener }
        const client = await failure.guard(connectStomp(login), CONNECT_MS, 'connecting')
        const asked = await statementsOf(connection, namespace)
        client.close()
        if (round >= 0) samples.get(conversations)?.push({ conversations, ...asked })
      }
    }
    return samples
  } finally {
    await im.close()
    server.close()
    await connection.query('SET GLOBAL slow_query_log=OFF')
    await connection.end()
  }
}

async function logEverything(connection: Connection): Promise<void> {
  await connection.query("SET GLOBAL log_output='TABLE', GLOBAL long_query_time=0, GLOBAL slow_query_log=ON")
}

/** The users' conversations have others in them too; the last 500 of all are of the user of 500, and so on. */
async function fillAll(connection: Connection, namespace: string): Promise<void> {
  const members = [`CONCAT('a',n)`, `CONCAT('b',n)`] as const
  await fill(connection, namespace, { first: 1, conversations: OTHERS, messages: MESSAGES, members })
  let first = OTHERS + 1
  for (const conversations of SIZES) {
    const all = [...members, `'member${conversations}'`] as const
    await fill(connection, namespace, { first, conversations, messages: MESSAGES, members: [all[0], ...all.slice(1)] })
    first += conversations
  }
}

/** What was asked since the log was emptied, without the feed's reads and what this benchmark itself asks. */
async function statementsOf(connection: Connection, namespace: string): Promise<Omit<SummarySample, 'conversations'>> {
  const deadline = performance.now() + LOGGED_MS
  for (;;) {
    const [rows] = await connection.query<RowDataPacket[]>(
      'SELECT CONVERT(sql_text USING utf8mb4) AS text,SECOND(query_time)*1000+MICROSECOND(query_time)/1000 AS ms FROM mysql.slow_log',
    )
    const logged = rows.map((row) => ({ text: String(row['text']), ms: Number(row['ms']) }))
    const ours = logged.filter(({ text }) => text.includes(`${namespace}_`) && !FEED.test(text))
    const summary = ours.filter(({ text }) => text.includes('total_unread'))
    // A statement is logged after its answer, so the last one may not be there yet.
    if (summary.length === 0 && performance.now() < deadline) continue
    if (summary.length !== 1) throw new Error(`a connect asked for ${summary.length} summaries`)
    return { statements: ours.length, summaryMs: sumOf(summary), connectMs: sumOf(ours) }
  }
}

const sumOf = (statements: readonly { readonly ms: number }[]): number => statements.reduce((sum, { ms }) => sum + ms, 0)
