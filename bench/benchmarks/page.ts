import { performance } from 'node:perf_hooks'
import { mysqlStorage } from '@innerline/adapters-mysql'
import type { BenchDatabase } from '../databases.js'
import { fill } from '../fill.js'
import type { Scale } from '../scale.js'
import { spreadOf } from '../statistics.js'

export interface PageSample {
  /** Median of one read, asked for one after another. */
  readonly medianMicros: number
  /** CPU time of the database for one read. */
  readonly databaseMicros: number
}

/** What is read. */
export type PageKind = 'newest of few' | 'newest of many' | 'middle of many'

const LIMIT = 50
/** What a page may weigh at most, as the server asks for it. */
const MAX_BYTES = 256 * 1024
const FEW = { number: 1, messages: 1_000 }
const MANY_NUMBER = 2
const WARM_UP = 50

/** Pages of two conversations in one table, in rounds: the newest 50 of each, and 50 from anywhere in the middle of the long one. */
export async function runPage(database: BenchDatabase, scale: Scale): Promise<ReadonlyMap<PageKind, readonly PageSample[]>> {
  const namespace = database.freshNamespace()
  const storage = mysqlStorage({ uri: database.url, namespace })
  await storage.start()
  const connection = await database.connect()
  const many = { number: MANY_NUMBER, messages: scale.pageMessages }
  for (const { number, messages } of [FEW, many]) {
    await fill(connection, namespace, { first: number, conversations: 1, messages, members: [`'ann'`, `'bob'`] })
  }
  await connection.end()

  const page = async ({ number }: typeof FEW, to: number): Promise<void> => {
    const conversationId = `g~${number}`
    const { entries, more } = await storage.readMessages({
      ...{ conversationId, from: 1, to, direction: 'backward', limit: LIMIT, maxBytes: MAX_BYTES },
    })
    const first = Math.min(to, number === FEW.number ? FEW.messages : many.messages) - LIMIT + 1
    if (entries.length !== LIMIT || !more || entries[0]?.seq !== first)
      throw new Error(`a page of ${conversationId} is not what it should be`)
  }
  const kinds: Readonly<Record<PageKind, () => Promise<void>>> = {
    'newest of few': () => page(FEW, Number.MAX_SAFE_INTEGER),
    'newest of many': () => page(many, Number.MAX_SAFE_INTEGER),
    'middle of many': () => page(many, Math.floor(many.messages * (0.1 + 0.8 * Math.random()))),
  }
  const samples = new Map<PageKind, PageSample[]>()
  for (let round = 0; round < scale.rounds; round++) {
    for (const [kind, read] of Object.entries(kinds) as [PageKind, () => Promise<void>][]) {
      for (let i = 0; i < WARM_UP; i++) await read()
      const sample = await measure(database, scale.pageReads, read)
      samples.set(kind, [...(samples.get(kind) ?? []), sample])
    }
  }
  await storage.close()
  return samples
}

async function measure(database: BenchDatabase, times: number, read: () => Promise<void>): Promise<PageSample> {
  const micros: number[] = []
  const before = database.cpuMicros()
  for (let i = 0; i < times; i++) {
    const begin = performance.now()
    await read()
    micros.push((performance.now() - begin) * 1000)
  }
  return { medianMicros: spreadOf(micros).median, databaseMicros: (database.cpuMicros() - before) / times }
}
