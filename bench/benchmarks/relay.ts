import { performance } from 'node:perf_hooks'
import type { Contender } from '../contenders.js'
import type { BenchDatabase } from '../databases.js'
import type { Profile } from '../profile.js'
import type { Scale } from '../scale.js'
import { ServerProcess } from '../server-process.js'
import { quantile } from '../statistics.js'
import { type BenchClient, type ClientListener, connectAll, numberOf } from '../wire/client.js'
import { CONNECT_MS, type Cost, costOf, Failure } from './load.js'

export interface RelayPhase extends Cost {
  readonly messages: number
  readonly perSecond: number
  readonly cpuMicrosPerMessage: number
  /** Send to receive. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Send to the answer that it is accepted. */
  readonly answeredP50Ms: number
  readonly answeredP99Ms: number
}

export interface RelaySample {
  /** A fixed rate below saturation. */
  readonly paced: RelayPhase
  /** As fast as the answers come. */
  readonly saturated: RelayPhase
}

const DRAIN_MS = 20_000

interface Pair {
  sender: BenchClient
  readonly receiverId: string
  sent: number
  accepted: number
  received: number
  /** When the messages not received yet were sent, by number modulo the length. */
  readonly sentAt: Float64Array
}

/** What a round does. */
export type RelayScale = Pick<Scale, 'pairs' | 'inFlightPerPair' | 'warmUpMs' | 'phaseMs' | 'relayPerSecond'>

/** One round of one contender: its server, fresh; `pairs` senders and receivers; warm-up, then both phases. */
export async function runRelay(contender: Contender, scale: RelayScale, profile?: Profile): Promise<RelaySample> {
  const { database } = contender
  const storage = database && { BENCH_DATABASE: database.url, BENCH_NAMESPACE: database.freshNamespace() }
  const server = await ServerProcess.start(contender.server, { env: storage })
  const load = new RelayLoad(scale.pairs, scale.inFlightPerPair, database)
  try {
    await load.connect(contender, server.port)
    await load.run({ ms: scale.warmUpMs })
    await profile?.start(server)
    const paced = await load.measure(server, { ms: scale.phaseMs, perSecond: scale.relayPerSecond })
    await profile?.stop(server, `relay${database === undefined ? '' : ` on ${database.name}`}, fixed rate`)
    await profile?.start(server)
    const saturated = await load.measure(server, { ms: scale.phaseMs })
    await profile?.stop(server, `relay${database === undefined ? '' : ` on ${database.name}`}, saturated`)
    return { paced, saturated }
  } finally {
    load.close()
    await server.stop()
  }
}

class RelayLoad {
  readonly #failure = new Failure()
  readonly #pairs: Pair[] = []
  readonly #count: number
  readonly #inFlight: number
  readonly #bySender = new Map<BenchClient, Pair>()
  readonly #byReceiver = new Map<BenchClient, Pair>()
  #clients: readonly BenchClient[] = []
  readonly #database: BenchDatabase | undefined
  #latencies: number[] = []
  #answerLatencies: number[] = []
  #sent = 0
  #settled = 0
  #flooding = false
  #sending = false
  #drained = (): void => {}

  constructor(count: number, inFlight: number, database: BenchDatabase | undefined) {
    this.#database = database
    this.#count = count
    this.#inFlight = inFlight
  }

  async connect(contender: Contender, port: number): Promise<void> {
    const listener: ClientListener = {
      accepted: (client) => this.#accepted(client),
      delivered: (client, bytes, start, end) => this.#delivered(client, bytes, start, end),
      failed: this.#failure.report,
    }
    const ids = Array.from({ length: this.#count }, (_, i) => [`sender-${i}`, `receiver-${i}`]).flat()
    const logins = ids.map((userId) => ({ port, userId, listener }))
    this.#clients = await this.#failure.guard(connectAll(contender.connect, logins), CONNECT_MS, 'connecting')
    for (let i = 0; i < this.#count; i++) {
      const sender = this.#clients[2 * i] as BenchClient
      const receiver = this.#clients[2 * i + 1] as BenchClient
      const pair: Pair = { sender, receiverId: receiver.userId, sent: 0, accepted: 0, received: 0, sentAt: new Float64Array(4096) }
      this.#pairs.push(pair)
      this.#bySender.set(sender, pair)
      this.#byReceiver.set(receiver, pair)
    }
  }

  async measure(server: ServerProcess, load: { readonly ms: number; readonly perSecond?: number }): Promise<RelayPhase> {
    const before = this.#sent
    this.#latencies = []
    this.#answerLatencies = []
    const cost = await costOf(server, () => this.run(load), this.#database)
    const messages = this.#sent - before
    return {
      ...cost,
      messages,
      perSecond: (messages * 1000) / cost.elapsedMs,
      cpuMicrosPerMessage: cost.cpuMicros / messages,
      p50Ms: quantile(this.#latencies, 0.5),
      p99Ms: quantile(this.#latencies, 0.99),
      answeredP50Ms: quantile(this.#answerLatencies, 0.5),
      answeredP99Ms: quantile(this.#answerLatencies, 0.99),
    }
  }

  /** Sends for `ms`, at a rate or as fast as answers come, and waits until everything has arrived and is answered. */
  async run({ ms, perSecond }: { readonly ms: number; readonly perSecond?: number }): Promise<void> {
    this.#sending = true
    this.#flooding = perSecond === undefined
    const progress = () => `${this.#sent} sent, ${this.#settled / 2} received and answered`
    await this.#failure.wait(ms + DRAIN_MS, progress, (done) => {
      this.#drained = done
      if (perSecond === undefined) {
        for (const pair of this.#pairs) for (let i = 0; i < this.#inFlight; i++) this.#send(pair)
        setTimeout(() => this.#stop(), ms)
      } else this.#pace(ms, perSecond)
    })
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }

  #pace(ms: number, perSecond: number): void {
    const begin = performance.now()
    let due = 0
    const timer = setInterval(() => {
      const elapsed = performance.now() - begin
      const target = Math.floor((Math.min(elapsed, ms) * perSecond) / 1000)
      for (; due < target; due++) this.#send(this.#pairs[due % this.#pairs.length] as Pair)
      if (elapsed < ms) return
      clearInterval(timer)
      this.#stop()
    }, 1)
  }

  #stop(): void {
    this.#sending = false
    if (this.#settled === 2 * this.#sent) this.#drained()
  }

  #send(pair: Pair): void {
    pair.sentAt[pair.sent % pair.sentAt.length] = performance.now()
    pair.sender.send({ user: pair.receiverId }, pair.sent)
    pair.sent++
    this.#sent++
  }

  #settle(): void {
    this.#settled++
    if (!this.#sending && this.#settled === 2 * this.#sent) this.#drained()
  }

  #accepted(client: BenchClient): void {
    const pair = this.#bySender.get(client)
    if (pair === undefined) return
    this.#answerLatencies.push(performance.now() - (pair.sentAt[pair.accepted % pair.sentAt.length] as number))
    pair.accepted++
    if (this.#flooding && this.#sending) this.#send(pair)
    this.#settle()
  }

  #delivered(client: BenchClient, bytes: Buffer, start: number, end: number): void {
    const pair = this.#byReceiver.get(client)
    if (pair === undefined) return
    const n = numberOf(bytes, start, end)
    if (n !== pair.received) return this.#failure.report(`${client.userId} got message ${n} where ${pair.received} was due`)
    pair.received++
    this.#latencies.push(performance.now() - (pair.sentAt[n % pair.sentAt.length] as number))
    client.acknowledge(bytes, start, end)
    this.#settle()
  }
}
