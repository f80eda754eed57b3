// Appends to the log without a server around it: one process of the bench per way of doing it. Bundled before it is run, as the lanes
// are no export of the package.
import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { mysqlStorage } from '@innerline/adapters-mysql'
import { systemClock } from '@innerline/server-core'
import { AppendLanes } from '../../packages/server-core/src/app/append-lanes.js'
import { quantile } from '../statistics.js'
import { answer, ready } from './control.mjs'
import { type Message, oneTransactionEach } from './hand-written.js'

export interface Preparation {
  readonly url: string
  readonly namespace: string
  /** The lanes of a node over the adapter, or a transaction for each message. */
  readonly by: 'lanes' | 'transactions'
  /** Lanes, each of which has one transaction under way, or connections. */
  readonly atOnce: number
}

export interface AppendLoad {
  /** Numbers of the conversations, in the order in which they are written to. */
  readonly first: number
  readonly conversations: number
  /** Members who write in turn; `<letter><number of the conversation>` where there are two. */
  readonly writers: 'two each' | readonly string[]
  readonly underWay: number
  readonly ms: number
}

export interface Appended {
  readonly appends: number
  readonly elapsedMs: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** More than any load has under way. */
const LANE_QUEUE = 100_000
const TEXT = 'The quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs. '.repeat(3).slice(0, 200)
const bodyJson = JSON.stringify({ type: 'text', text: TEXT })
const preview = TEXT.slice(0, 100)
const hash = '0123456789abcdef'.repeat(2)

type Append = (message: Message) => Promise<void>
let append: Append | undefined

async function prepare({ url, namespace, by, atOnce }: Preparation): Promise<void> {
  const storage = mysqlStorage({ uri: url, namespace })
  await storage.start()
  append = by === 'lanes' ? throughLanes(storage, atOnce) : await oneTransactionEach(url, namespace, atOnce)
}

function throughLanes(storage: ReturnType<typeof mysqlStorage>, lanes: number): Append {
  const through = new AppendLanes({ storage, clock: systemClock, nodeId: 'bench', lanes, queueItems: LANE_QUEUE, onCommitted: () => {} })
  return async ({ conversation, msgId, sender, ...message }) => {
    const result = await through.append({
      ...{ ...message, msgId, fromUserId: sender, conversationId: `g~${conversation}`, channels: [`group:${conversation}`] },
      ...{ kind: 'message', countable: true, checkedAt: 1 },
    })
    if (!result.ok) throw new Error(`An append was refused: ${JSON.stringify(result)}`)
  }
}

const run = randomBytes(8).toString('hex')
let made = 0
const nextMsgId = (): string => {
  const tail = (made++).toString(16).padStart(12, '0')
  return `0199${run.slice(0, 4)}-${run.slice(4, 8)}-7${run.slice(8, 11)}-8${run.slice(11, 14)}-${tail}`
}

/** As many loops as there are messages under way, each of which sends its next one when its last has been committed. */
async function load({ first, conversations, writers, underWay, ms }: AppendLoad): Promise<Appended> {
  const one = append as Append
  const latencies: number[] = []
  const begin = performance.now()
  let n = 0
  const loop = async (): Promise<void> => {
    while (performance.now() - begin < ms) {
      const conversation = first + (n % conversations)
      const turn = Math.floor(n++ / conversations)
      const sender = writers === 'two each' ? `${turn % 2 === 0 ? 'a' : 'b'}${conversation}` : (writers[turn % writers.length] as string)
      const sent = performance.now()
      await one({ conversation, msgId: nextMsgId(), sender, bodyJson, preview, hash })
      latencies.push(performance.now() - sent)
    }
  }
  await Promise.all(Array.from({ length: underWay }, loop))
  const elapsedMs = performance.now() - begin
  return { appends: latencies.length, elapsedMs, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) }
}

answer({ prepare, load })
ready()
