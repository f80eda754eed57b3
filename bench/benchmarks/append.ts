import type { Connection, RowDataPacket } from 'mysql2/promise'
import { bundle } from '../bundle.js'
import type { BenchDatabase } from '../databases.js'
import { fill } from '../fill.js'
import type { Profile } from '../profile.js'
import type { Scale } from '../scale.js'
import type { Appended, AppendLoad, Preparation } from '../servers/appender.js'
import { ServerProcess } from '../server-process.js'
import { type Cost, costOf } from './load.js'

/** A way to append. */
export interface Method {
  readonly name: string
  readonly by: Preparation['by']
  readonly atOnce: number
}

/** As a node has them. */
const LANES = 4
/** More than a node opens, so that transactions of one message can share a sync of the disk. */
const MANY = 32

export const SAME_CONNECTIONS: Method = { name: `one transaction each, ${LANES} connections`, by: 'transactions', atOnce: LANES }
export const MANY_CONNECTIONS: Method = { name: `one transaction each, ${MANY} connections`, by: 'transactions', atOnce: MANY }
export const THROUGH_LANES: Method = { name: `lanes, ${LANES} connections`, by: 'lanes', atOnce: LANES }
/** In the order in which each round runs them. */
const METHODS: readonly Method[] = [SAME_CONNECTIONS, MANY_CONNECTIONS, THROUGH_LANES]

export interface Shape {
  readonly conversations: number
  readonly underWay: number
}

interface Conversations {
  readonly first: number
  readonly conversations: number
  readonly writers: AppendLoad['writers']
  readonly members: readonly [string, ...string[]]
}

const many = Array.from({ length: 50 }, (_, i) => `u${i}`)
const two = { writers: 'two each', members: [`CONCAT('a',n)`, `CONCAT('b',n)`] } as const
/** One busy group, a node's busy chats, and more chats than a batch has room for. */
const CONVERSATIONS: readonly Conversations[] = [
  { first: 1, conversations: 1, writers: many, members: many.map((userId) => `'${userId}'`) as [string, ...string[]] },
  { first: 1_001, conversations: 64, ...two },
  { first: 2_001, conversations: 1_000, ...two },
]
const UNDER_WAY = [50, 500] as const

export interface AppendSample extends Cost {
  readonly shape: Shape
  readonly method: string
  readonly appends: number
  readonly perSecond: number
  readonly clientMicrosPerAppend: number
  readonly databaseMicrosPerAppend: number
  readonly p50Ms: number
  readonly p99Ms: number
}

let program: Promise<string> | undefined

/** One round on one database: every shape by every method, one after another, each method on tables of its own. */
export async function runAppend(database: BenchDatabase, scale: Scale, profile?: Profile): Promise<readonly AppendSample[]> {
  const methods = profile === undefined ? METHODS : [THROUGH_LANES]
  const appenders: Appender[] = []
  try {
    for (const method of methods) appenders.push(await Appender.start(database, method))
    const samples: AppendSample[] = []
    for (const conversations of CONVERSATIONS) {
      for (const underWay of UNDER_WAY) {
        for (const appender of appenders) samples.push(await appender.measure({ ...conversations, underWay }, scale, profile))
      }
    }
    return samples
  } finally {
    for (const appender of appenders) await appender.stop()
  }
}

/** One method's process and tables. */
class Appender {
  readonly #database: BenchDatabase
  readonly #namespace: string
  readonly #process: ServerProcess
  readonly #connection: Connection
  readonly #method: Method

  private constructor(database: BenchDatabase, namespace: string, process: ServerProcess, connection: Connection, method: Method) {
    this.#database = database
    this.#namespace = namespace
    this.#process = process
    this.#connection = connection
    this.#method = method
  }

  static async start(database: BenchDatabase, method: Method): Promise<Appender> {
    const namespace = database.freshNamespace()
    program ??= bundle('appender')
    const process = await ServerProcess.start('appender', { file: await program })
    const connection = await database.connect()
    const { by, atOnce } = method
    await process.ask('prepare', { url: database.url, namespace, by, atOnce } satisfies Preparation)
    for (const { first, conversations, members } of CONVERSATIONS) {
      await fill(connection, namespace, { first, conversations, messages: 0, members })
    }
    return new Appender(database, namespace, process, connection, method)
  }

  async measure({ members: _, ...load }: Conversations & Shape, scale: Scale, profile?: Profile): Promise<AppendSample> {
    const { conversations, underWay } = load
    const name = `${conversations} conversations, ${underWay} under way`
    await this.#load({ ...load, ms: scale.appendMs / 5 })
    await profile?.start(this.#process)
    let appended: Appended | undefined
    const work = async () => {
      appended = await this.#load({ ...load, ms: scale.appendMs })
    }
    const cost = await costOf(this.#process, work, this.#database)
    await profile?.stop(this.#process, `append on ${this.#database.name}, ${name}`)
    const { appends, elapsedMs, p50Ms, p99Ms } = appended as unknown as Appended
    return {
      ...{ ...cost, shape: { conversations, underWay }, method: this.#method.name, appends, p50Ms, p99Ms },
      perSecond: (appends * 1000) / elapsedMs,
      clientMicrosPerAppend: cost.cpuMicros / appends,
      databaseMicrosPerAppend: cost.databaseMicros / appends,
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop()
    await this.#connection.end()
  }

  /** Runs a load and checks that the tables hold what was answered. */
  async #load(load: AppendLoad): Promise<Appended> {
    const before = await this.#stored(load)
    const appended = (await this.#process.ask('load', load)) as Appended
    const stored = (await this.#stored(load)) - before
    if (stored !== appended.appends)
      throw new Error(`${this.#method.name}: ${appended.appends} appends were answered, ${stored} are stored`)
    return appended
  }

  async #stored({ first, conversations }: AppendLoad): Promise<number> {
    const [[row]] = await this.#connection.query<RowDataPacket[]>(
      `SELECT SUM(s.head_seq) AS heads,(SELECT COUNT(*) FROM ${this.#namespace}_t_cs_message m WHERE m.conversation_key>=? AND m.conversation_key<?) AS entries
       FROM ${this.#namespace}_t_cs_session s WHERE s.conversation_key>=? AND s.conversation_key<?`,
      [first, first + conversations, first, first + conversations],
    )
    const [heads, entries] = [Number(row?.['heads']), Number(row?.['entries'])]
    if (heads !== entries) throw new Error(`${this.#method.name}: the heads count ${heads} entries, ${entries} are stored`)
    return heads
  }
}
