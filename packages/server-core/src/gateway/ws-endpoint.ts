import { ERROR_TABLE, ERROR_TITLES, ImError, type Limits, STOMP_SUBPROTOCOL, WS_PATHS } from '@innerline/protocol'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ServerOptions, WebSocketServer } from 'ws'
import type { Clock } from '../ports/index.js'
import { passOn } from './foreign-upgrade.js'
import type { Gateway } from './gateway.js'
import { isAllowedOrigin, type OriginRule } from './origin.js'
import { TokenBucket } from './token-bucket.js'
import { ServerWebSocket, WsSocket } from './ws-socket.js'

const CLOSE_TIMEOUT_MS = 5_000
/** Above the STOMP limit, so that a frame a little too large is refused in STOMP's words. */
const SLACK = 2

export interface EndpointOptions {
  readonly gateway: Gateway
  readonly clock: Clock
  readonly limits: Limits
  /** Prefix of both WebSocket paths; the same as the REST paths'. */
  readonly basePath: string
  readonly origins: OriginRule
  readonly queryToken: boolean
}

/** The WebSocket side of a mount: one `upgrade` listener that answers its own paths and leaves everything else as it found it. */
export class WsEndpoint {
  readonly #options: EndpointOptions
  readonly #server: WebSocketServer
  readonly #upgrades: TokenBucket
  readonly #attached = new Map<HttpServer, (req: IncomingMessage, socket: Duplex, head: Buffer) => void>()

  constructor(options: EndpointOptions) {
    this.#options = options
    const { limits, clock } = options
    this.#upgrades = new TokenBucket(limits.upgradesPerSecond, clock.monotonic())
    const settings: ServerOptions<typeof ServerWebSocket> & { readonly closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.frameBytes * SLACK,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: 1_024,
      closeTimeout: CLOSE_TIMEOUT_MS,
      // STOMP checks what it reads as text; checking every byte twice buys nothing.
      skipUTF8Validation: true,
      WebSocket: ServerWebSocket,
      handleProtocols: (offered) => (offered.has(STOMP_SUBPROTOCOL) ? STOMP_SUBPROTOCOL : false),
    }
    this.#server = new WebSocketServer(settings)
  }

  /** Adds the listener; returns what removes it. Attaching twice is attaching once. */
  attach(server: HttpServer): () => void {
    if (!this.#attached.has(server)) {
      const listener = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
        if (!this.handleUpgrade(req, socket, head)) passOn(server, req, socket, head, (fn) => this.#options.clock.soon(fn))
      }
      this.#attached.set(server, listener)
      server.on('upgrade', listener)
    }
    return () => this.#detach(server)
  }

  detachAll(): void {
    for (const server of [...this.#attached.keys()]) this.#detach(server)
  }

  /** For hosts that route upgrades themselves: false = not a WebSocket for one of our paths, nothing was touched. */
  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') return false
    const at = (req.url ?? '').indexOf('?')
    const path = at < 0 ? (req.url ?? '') : (req.url ?? '').slice(0, at)
    const endpoint = this.#endpointOf(path)
    if (endpoint === undefined) return false
    const { clock } = this.#options
    const refusal = this.#refusal(req)
    if (refusal !== undefined) {
      reject(socket, refusal, clock)
      return true
    }
    const query = new URLSearchParams(at < 0 ? '' : (req.url ?? '').slice(at + 1))
    const queryToken = this.#options.queryToken ? (query.get('token') ?? undefined) : undefined
    socket.on('error', ignore)
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      socket.removeListener('error', ignore)
      const wire = new WsSocket(ws as ServerWebSocket)
      wire.listen(this.#options.gateway.accept(wire, { endpoint, req, hasOrigin: req.headers.origin !== undefined, queryToken }))
    })
    return true
  }

  #detach(server: HttpServer): void {
    const listener = this.#attached.get(server)
    if (listener !== undefined) server.removeListener('upgrade', listener)
    this.#attached.delete(server)
  }

  #endpointOf(path: string): 'chat' | 'agent' | undefined {
    const { basePath } = this.#options
    if (!path.startsWith(basePath)) return undefined
    switch (path.slice(basePath.length).replace(/\/websocket$/, '')) {
      case WS_PATHS.chat:
        return 'chat'
      case WS_PATHS.agent:
        return 'agent'
      default:
        return undefined
    }
  }

  #isAllowed(req: IncomingMessage, origins: OriginRule): boolean {
    try {
      return isAllowedOrigin(req, origins)
    } catch (error) {
      this.#options.gateway.context.logger.error({ err: error }, 'allowedOrigins threw; the page was refused')
      return false
    }
  }

  #refusal(req: IncomingMessage): ImError | undefined {
    const { gateway, clock, limits, origins } = this.#options
    if (gateway.refusal !== undefined) return gateway.refusal
    if (!this.#upgrades.take(limits.upgradesPerSecond, limits.upgradesPerSecond, clock.monotonic())) {
      return new ImError('BUSY', { detail: 'Too many connections at once.', retryAfterMs: 1_000 })
    }
    if (!this.#isAllowed(req, origins))
      return new ImError('FORBIDDEN', { detail: 'This origin is not on the allow-list (allowedOrigins).' })
    return undefined
  }
}

function ignore(): void {}

/** Answers and ends the socket for good: its parser and time-outs went with the upgrade, so a peer that keeps its side open would hold it. */
function reject(socket: Duplex, error: ImError, clock: Clock): void {
  const { http } = ERROR_TABLE[error.code]
  const title = ERROR_TITLES[error.code]
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status: http,
    code: error.code,
    detail: error.detail,
    retry: error.retry,
    retryAfterMs: error.retryAfterMs,
  })
  const retryAfter = error.retryAfterMs === undefined ? '' : `Retry-After: ${Math.ceil(error.retryAfterMs / 1_000)}\r\n`
  socket.on('error', ignore)
  const giveUp = clock.after(CLOSE_TIMEOUT_MS, () => socket.destroy())
  socket.once('close', giveUp)
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${http} ${http === 403 ? 'Forbidden' : 'Service Unavailable'}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `${retryAfter}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
