import { type ConversationSummary, CLOSE, ImError, PROTOCOL_VERSION, type SentMessage, type SendRequest } from '@innerline/protocol'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { sendRequest } from './app/requests.js'
import type { SentInTransaction } from './app/send-message.js'
import { validate } from './app/validate.js'
import { WsEndpoint } from './gateway/index.js'
import { createRouter, openApiDocument, type OpenApiDocument, type RequestHandler } from './http/index.js'
import { createNode, type Node } from './node.js'
import { closeNode, startNode } from './node-life.js'
import { type ImServerOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { silentLogger } from './ports/index.js'

export interface DrainOptions {
  /** Over how long connections are sent away. @default 5000 */
  readonly spreadMs?: number | undefined
}

export interface Health {
  readonly status: 'ok' | 'degraded' | 'draining' | 'down'
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly error?: string }>>
}

export interface Stats {
  readonly nodeId: string
  readonly connections: number
  readonly users: number
  /** Conversations with a member connected here. */
  readonly conversations: number
  /** Bytes that slow readers have not taken. */
  readonly bufferedBytes: number
  /** Messages waiting to be committed. */
  readonly laneDepth: number
}

/** Calls for the host's own routes and jobs. Trusted: nobody is authenticated, limits do not apply. */
export interface ImApi {
  /** Sends as `fromUserId`. Resolves when committed; rejects as a client's send would. With a `msgId` a retry is safe. */
  send(message: SendRequest & { readonly fromUserId: string }): Promise<SentMessage>
  /**
   * Sends inside a transaction that the host has begun on `tx`, its own handle (with MySQL: the mysql2 connection): the
   * message is committed with the host's rows or not at all. The conversation's row is locked until the host's commit.
   * Call `announce()` afterwards. Rejects `UNSUPPORTED` where the storage has no transactions.
   */
  send(message: SendRequest & { readonly fromUserId: string }, options: { readonly tx: unknown }): Promise<SentInTransaction>
  /** Whether the user has a live connection on any node. Advisory. */
  isOnline(userId: string): Promise<boolean>
  /** Closes the user's connections on this node with a final code. Returns how many. */
  disconnectUser(userId: string, options?: { readonly deviceId?: string; readonly reason?: string }): number
  /** A user's conversations, newest first, as they see them. */
  conversations(
    userId: string,
    page?: { readonly cursor?: string; readonly limit?: number },
  ): Promise<{ readonly items: readonly ConversationSummary[]; readonly next?: string }>
}

/** A messaging server mounted in the host's process. */
export interface ImServer {
  /** REST: `app.use(im.router)`. Express 4, Express 5 and plain http. Nothing is served before `start()` has resolved. */
  readonly router: RequestHandler
  /** Adds one `upgrade` listener to the host's server; foreign paths are left alone. Returns what takes it away. */
  attach(server: HttpServer): () => void
  /** For hosts that route upgrades themselves: false = not ours, nothing was touched. */
  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /** Connects and checks; rejects with a sentence that says what is wrong. Idempotent. */
  start(): Promise<void>
  /** Graceful: no new sockets, clients told and closed 1012 after their answers, then `close()`. */
  drain(options?: DrainOptions): Promise<void>
  /** Impatient: sockets are cut. What was acknowledged is committed all the same. Borrowed clients stay open. Idempotent. */
  close(): Promise<void>
  readonly api: ImApi
  health(): Promise<Health>
  stats(): Stats
  /** OpenAPI 3.1 document of the REST side. */
  readonly openapi: OpenApiDocument
}

/**
 * Makes a messaging server to be mounted in an existing service. Nothing happens at construction: no socket, no timer,
 * no query before `start()`. Throws a sentence when the options cannot work.
 */
export function createImServer(options: ImServerOptions): ImServer {
  return new MountedServer(resolveOptions(options))
}

class MountedServer implements ImServer {
  readonly router: RequestHandler
  readonly api: ImApi
  readonly #options: ResolvedOptions
  readonly #node: Node
  readonly #endpoint: WsEndpoint
  #started: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #serving = false

  constructor(options: ResolvedOptions) {
    this.#options = options
    const node = createNode(options)
    this.#node = node
    const { clock, ids, logger, limits, basePath, queryToken } = options
    this.#endpoint = new WsEndpoint({ gateway: node.gateway, clock, limits, basePath, origins: options.allowedOrigins, queryToken })
    const { send, acknowledge, read, conversations, authenticate, directory, accounts } = node
    this.router = createRouter({
      app: { send, acknowledge, read, conversations },
      ...{ authenticate, directory, accounts, ids, clock, logger, basePath, bodyBytes: limits.frameBytes },
      draining: () => node.gateway.isDraining,
      serving: () => this.#serving,
    })
    this.api = apiOf(node)
  }

  attach(server: HttpServer): () => void {
    return this.#endpoint.attach(server)
  }

  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    return this.#endpoint.handleUpgrade(req, socket, head)
  }

  start(): Promise<void> {
    this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  async drain({ spreadMs = 5_000 }: DrainOptions = {}): Promise<void> {
    await this.#node.gateway.drain(spreadMs)
    await this.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async health(): Promise<Health> {
    const { storage, bus, gateway } = this.#node
    const reachable = await storage.ping().then(
      () => ({ ok: true }),
      (error: unknown) => ({ ok: false, error: String(error instanceof Error ? error.message : error) }),
    )
    const checks = { storage: reachable, bus: { ok: bus.healthy } }
    if (gateway.isDraining) return { status: 'draining', checks }
    return { status: reachable.ok ? (bus.healthy ? 'ok' : 'degraded') : 'down', checks }
  }

  stats(): Stats {
    const { nodeId, gateway, index, lanes } = this.#node
    return {
      nodeId,
      connections: gateway.connections,
      users: index.users,
      conversations: index.conversations,
      bufferedBytes: gateway.bufferedBytes,
      laneDepth: lanes.depth,
    }
  }

  get openapi(): OpenApiDocument {
    const { basePath, accounts } = this.#options
    return openApiDocument({ version: String(PROTOCOL_VERSION), basePath, accounts: accounts !== undefined })
  }

  async #start(): Promise<void> {
    await startNode(this.#node, this.#options)
    this.#serving = true
    if (!this.#node.storage.capabilities.durable) this.#warnOfMemory()
  }

  /** Said plainly: in production also to a host that gave no logger. */
  #warnOfMemory(): void {
    const { logger } = this.#options
    const { nodeId } = this.#node
    logger.warn({ nodeId }, 'storage is memory: messages are gone when this process ends')
    if (process.env.NODE_ENV !== 'production') return
    const sentence =
      'Innerline keeps its messages in memory under NODE_ENV=production: they are gone when this process ends. Give createImServer a storage.'
    if (logger === silentLogger) process.emitWarning(sentence, { code: 'INNERLINE_MEMORY' })
    else logger.error({ nodeId }, sentence)
  }

  async #close(): Promise<void> {
    await this.#started?.catch(() => undefined)
    this.#serving = false
    this.#endpoint.detachAll()
    await closeNode(this.#node, this.#options.logger)
  }
}

function sendOf({ send }: Node): ImApi['send'] {
  const run = async ({ fromUserId, ...request }: SendRequest & { readonly fromUserId: string }, options?: { readonly tx: unknown }) => {
    const principal = { userId: fromUserId, userType: 'user' } as const
    const valid = validate(sendRequest, request)
    if (options?.tx !== undefined) return send.executeInTransaction(principal, valid, options.tx)
    return send.execute(principal, valid, undefined, { trusted: true })
  }
  return run as ImApi['send']
}

function apiOf(node: Node): ImApi {
  const { presence, gateway, conversations } = node
  return {
    send: sendOf(node),
    async isOnline(userId) {
      const [state] = await presence.online([userId])
      return state?.online ?? false
    },
    disconnectUser(userId, options = {}) {
      return gateway.disconnectUser(userId, { deviceId: options.deviceId, code: CLOSE.replaced, reason: options.reason ?? 'disconnected' })
    },
    conversations(userId, page = {}) {
      if (userId === '') throw new ImError('INVALID_REQUEST', { detail: 'userId is missing.' })
      return conversations.page({ userId, userType: 'user' }, page)
    },
  }
}
