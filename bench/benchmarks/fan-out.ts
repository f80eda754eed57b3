import { performance } from 'node:perf_hooks'
import type { Contender } from '../contenders.js'
import type { Profile } from '../profile.js'
import type { Scale } from '../scale.js'
import { ServerProcess } from '../server-process.js'
import { quantile } from '../statistics.js'
import { type BenchClient, type ClientListener, connectAll } from '../wire/client.js'
import { CONNECT_MS, type Cost, costOf, Failure } from './load.js'

export interface FanOutPhase extends Cost {
  readonly messages: number
  readonly deliveries: number
  readonly deliveriesPerSecond: number
  readonly cpuMicrosPerDelivery: number
  /** From sending to the last member's copy; only where one message is under way at a time. */
  readonly everyoneP50Ms?: number
}

export interface FanOutSample {
  /** Several members write at once. */
  readonly loaded: FanOutPhase
  /** One message at a time: nothing to coalesce. */
  readonly single: FanOutPhase
}

const ROOM = 'g~bench'
const DRAIN_MS = 20_000

/** One round of one contender: a room of `members` connected sockets, some of which write. */
export async function runFanOut(contender: Contender, scale: Scale, profile?: Profile): Promise<FanOutSample> {
  const server = await ServerProcess.start(contender.server)
  const load = new FanOutLoad(scale.members)
  try {
    await load.connect(contender, server)
    await load.run(scale.warmUpMs, scale.fanOutInFlight)
    await profile?.start(server)
    const loaded = await load.measure(server, scale.phaseMs, scale.fanOutInFlight)
    await profile?.stop(server, 'fan-out, loaded')
    await profile?.start(server)
    const single = await load.measure(server, scale.phaseMs / 2, 1)
    await profile?.stop(server, 'fan-out, one at a time')
    load.check()
    return { loaded, single }
  } finally {
    load.close()
    await server.stop()
  }
}

class FanOutLoad {
  readonly #failure = new Failure()
  readonly #members: number
  readonly #counts = new Map<BenchClient, number>()
  #clients: readonly BenchClient[] = []
  #published = 0
  #accepted = 0
  #delivered = 0
  #inFlight = 1
  #publishing = false
  #publishedAt = 0
  #everyoneMs: number[] = []
  #drained = (): void => {}

  constructor(members: number) {
    this.#members = members
  }

  async connect(contender: Contender, server: ServerProcess): Promise<void> {
    const listener: ClientListener = {
      accepted: () => {
        this.#accepted++
        this.#advance()
      },
      delivered: (client) => {
        this.#counts.set(client, (this.#counts.get(client) ?? 0) + 1)
        this.#delivered++
        if (this.#inFlight === 1 && this.#delivered === this.#published * this.#members) {
          this.#everyoneMs.push(performance.now() - this.#publishedAt)
        }
        this.#advance()
      },
      failed: this.#failure.report,
    }
    const userIds = Array.from({ length: this.#members }, (_, i) => `member-${i}`)
    await server.openRoom(ROOM, userIds)
    const logins = userIds.map((userId) => ({ port: server.port, userId, room: ROOM, listener }))
    this.#clients = await this.#failure.guard(connectAll(contender.connect, logins), CONNECT_MS, 'connecting')
  }

  async measure(server: ServerProcess, ms: number, inFlight: number): Promise<FanOutPhase> {
    const before = this.#published
    this.#everyoneMs = []
    const cost = await costOf(server, () => this.run(ms, inFlight))
    const messages = this.#published - before
    const deliveries = messages * this.#members
    return {
      ...cost,
      messages,
      deliveries,
      deliveriesPerSecond: (deliveries * 1000) / cost.elapsedMs,
      cpuMicrosPerDelivery: cost.cpuMicros / deliveries,
      ...(inFlight === 1 ? { everyoneP50Ms: quantile(this.#everyoneMs, 0.5) } : {}),
    }
  }

  /**
   * Publishes for `ms`, each message by the next member. Between half of `inFlight` and `inFlight` messages are under way, topped up in
   * bursts: one for one, a server would be fed just as fast as the sinks read, and the generator would decide what can be coalesced.
   * What counts as under way is what the sinks have not read, so no server is paid for filling its own memory.
   */
  async run(ms: number, inFlight: number): Promise<void> {
    this.#inFlight = inFlight
    this.#publishing = true
    const progress = () => `${this.#published} published, ${this.#accepted} answered, ${this.#delivered / this.#members} delivered`
    await this.#failure.wait(ms + DRAIN_MS, progress, (done) => {
      this.#drained = done
      this.#advance()
      setTimeout(() => {
        this.#publishing = false
        this.#advance()
      }, ms)
    })
  }

  /** Throws unless every member got every message exactly once. */
  check(): void {
    for (const [client, count] of this.#counts) {
      if (count !== this.#published) throw new Error(`${client.userId} got ${count} of ${this.#published} messages`)
    }
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }

  #advance(): void {
    const done = this.#delivered === this.#published * this.#members
    if (this.#publishing) {
      if (this.#inFlight === 1 && this.#accepted < this.#published) return
      const outstanding = this.#published * this.#members - this.#delivered
      if (outstanding > (this.#inFlight >> 1) * this.#members) return
      for (let room = this.#inFlight - Math.ceil(outstanding / this.#members); room > 0; room--) this.#publish()
    } else if (done && this.#accepted === this.#published) this.#drained()
  }

  #publish(): void {
    const client = this.#clients[this.#published % this.#clients.length] as BenchClient
    this.#publishedAt = performance.now()
    client.send({ room: ROOM }, this.#published++)
  }
}
