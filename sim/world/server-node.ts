import { type Limits, ImError } from '@innerline/protocol'
import type { Authenticate, EventRecord, Logger, RequestHandler } from '@innerline/server-core'
import type { Connection } from '../../packages/server-core/src/gateway/connection.js'
import type { GatewaySocket, SocketListener } from '../../packages/server-core/src/gateway/index.js'
import { createRouter } from '../../packages/server-core/src/http/index.js'
import { memoryPresence } from '../../packages/server-core/src/memory/presence.js'
import { createNode, type Node } from '../../packages/server-core/src/node.js'
import { closeNode, startNode } from '../../packages/server-core/src/node-life.js'
import { resolveOptions } from '../../packages/server-core/src/options.js'
import { Process } from '../core/process.js'
import type { World } from './world.js'

/** One run of a server process: the real node and router over the world's database, bus and clocks. */
export class ServerNode {
  readonly process: Process
  readonly node: Node
  readonly router: RequestHandler
  /** Whether sockets and requests are taken. */
  serving = false
  readonly #world: World
  readonly #logger: Logger

  constructor(name: string, world: World) {
    const { scheduler, random, trace, recorder, database, bus, presence, profile } = world
    this.#world = world
    const process = new Process(name, scheduler, random.fork(name))
    this.process = process
    const tell = (level: string) => (fields: object, message?: string) => {
      trace.line(name, () => `${level}: ${message} ${describe(fields, String)}`)
      // A new epoch voids every place in the feed, and a consumer is told so.
      const isTold = database.data.epoch > 1 && message?.includes('event consumer') === true
      if (level === 'error' && !isTold) recorder.violation('logged-error', `${name}: ${message} ${describe(fields, stackOf)}`)
    }
    const logger = { debug: () => {}, info: () => {}, warn: tell('warn'), error: tell('error') }
    this.#logger = logger
    const options = resolveOptions({
      ...{ storage: database.connect(process), bus: bus.bus(process), logger, clock: process.clock, ids: process.ids },
      presence: memoryPresence({ clock: process.clock, table: presence }),
      authenticate: this.#authenticate(),
      limits: profile.limits as Partial<Limits>,
      feed: { keepMs: profile.feedKeepMs },
    })
    const node = createNode(options)
    this.node = node
    this.#watchAttaches(node)
    const { send, acknowledge, read, conversations, authenticate, gateway } = node
    this.router = createRouter({
      app: { send, acknowledge, read, conversations },
      ...{ authenticate, ids: process.ids, clock: process.clock, logger },
      draining: () => gateway.isDraining,
      serving: () => this.serving,
    })
    this.#options = options
  }

  readonly #options: ReturnType<typeof resolveOptions>

  /** Starts as a supervised server does: what cannot open now is tried again. */
  start(): void {
    const { trace, profile } = this.#world
    startNode(this.node, this.#options).then(
      () => {
        this.serving = true
        if (profile.consumer) this.#consume()
        trace.line(this.process.name, () => 'serves')
      },
      (error: unknown) => {
        trace.line(this.process.name, () => `cannot start: ${String(error)}`)
        this.process.clock.after(500, () => this.start())
      },
    )
  }

  /** A host's consumer of what happened; now and then it takes its time, or fails and is given the record again. */
  #consume(): void {
    const { random, recorder, scheduler, profile } = this.#world
    const chance = random.fork(`${this.process.name} consumer`)
    const start = (): void => {
      const handler = async ({ data, eventId }: EventRecord): Promise<void> => {
        const isSlow = scheduler.now < profile.activeMs && chance.chance(0.03)
        if (isSlow) await new Promise<void>((resolve) => this.process.clock.after(chance.between(1_000, 8_000), resolve))
        if (chance.chance(0.05)) throw new Error(`no mood for ${eventId}`)
        recorder.heard(String(data['conversationId']), Number(data['seq']))
      }
      this.node.events.consume('audit', handler).then(
        () => recorder.listens(),
        () => this.process.clock.after(500, start),
      )
    }
    start()
  }

  /** Why no socket may come in now. */
  get refusesSockets(): boolean {
    return !this.serving || this.node.gateway.refusal !== undefined
  }

  accept(socket: GatewaySocket): SocketListener {
    const req = { headers: {} } as Parameters<Node['authenticate']>[0]['req']
    return this.node.gateway.accept(socket, { endpoint: 'chat', req, hasOrigin: false, queryToken: undefined })
  }

  /** Lets everybody go, then ends. */
  async drain(spreadMs: number): Promise<void> {
    await this.node.gateway.drain(spreadMs)
    await this.close()
  }

  async close(): Promise<void> {
    this.serving = false
    await closeNode(this.node, this.#logger)
  }

  #watchAttaches({ index, epoch }: Node): void {
    const attach = index.attach.bind(index)
    index.attach = async (subscriber) => {
      const given = this.#world.network.givenTo(subscriber)
      given?.attachBegins((subscriber as Connection).queue.lagging, epoch.current)
      await attach(subscriber)
      given?.attachEnded()
    }
  }

  /** Tokens are `user.expiry.number`; the check takes a moment and may fail. */
  #authenticate(): Authenticate {
    const { scheduler, random, conditions, recorder } = this.#world
    const chance = random.fork('authenticate')
    return ({ token = '' }) =>
      new Promise((resolve, reject) => {
        const [userId = '', expiresAt = ''] = token.split('.')
        scheduler.after(chance.exponential(2), this.process, () => {
          if (chance.chance(conditions.authFails)) {
            recorder.fault('authenticate fails')
            reject(new ImError('UNAVAILABLE', { detail: 'the check of tokens is down', retryAfterMs: 500 }))
          } else resolve({ userId, userType: 'user', expiresAt: Number(expiresAt) })
        })
      })
  }
}

const stackOf = (error: Error): string => error.stack ?? error.message

/** A story names errors without their stacks: Node's own lines in those are other ones in each version. */
function describe(fields: object, name: (error: Error) => string): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value instanceof Error ? name(value) : String(value)}`)
    .join(' ')
}
