import { DEFAULT_LIMITS, ImError } from '@innerline/protocol'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { validate } from '../app/validate.js'
import type { Authenticate, Clock, Ids, Logger, UserDirectory } from '../ports/index.js'
import { authenticateRequest } from './authenticate-request.js'
import { problemOf, speaksForItself } from './problem.js'
import { readPath, readQuery, splitTarget } from './query.js'
import { discardRest, readJson } from './read-body.js'
import type { RouteContext, SignIn, UseCases } from './route.js'
import { checkedBasePath, RouteTable, type RouteMatch } from './route-table.js'
import { ROUTES } from './routes/index.js'

export interface RouterOptions {
  readonly app: UseCases
  readonly authenticate: Authenticate
  /** Without it names are ids, and `/api/im/users` answers `UNSUPPORTED`. */
  readonly directory?: UserDirectory | undefined
  /** Without it `/api/im/auth/login` is not ours. */
  readonly accounts?: SignIn | undefined
  readonly ids: Ids
  readonly clock: Clock
  readonly logger: Logger
  /** While true, answers ask their connections to close, so that clients move to another node; they are still served. */
  readonly draining: () => boolean
  /** While false, our own paths answer `UNAVAILABLE`. @default always true */
  readonly serving?: (() => boolean) | undefined
  /** What every path begins with, besides the prefix of a mount; '' or such as '/im'. @default '' */
  readonly basePath?: string | undefined
  /** Bytes a request's body may have. @default the frame limit, 64 KiB, so that what fits a SEND fits a POST */
  readonly bodyBytes?: number | undefined
}

/** Accepted by Express 4, Express 5, Connect and `http.createServer` without importing any of them. */
export type RequestHandler = (req: IncomingMessage, res: ServerResponse, next?: (err?: unknown) => void) => void

/**
 * The REST side: `(req, res, next)` over `node:http`. Paths that are not ours go to `next()`, or are answered 404 where
 * there is none; every other request is answered by us, whatever fails, and never by `next(error)`.
 */
export function createRouter(options: RouterOptions): RequestHandler {
  const context: RouteContext = { app: options.app, directory: options.directory, accounts: options.accounts }
  const table = new RouteTable(
    ROUTES.filter((route) => route.offered(context)),
    checkedBasePath(options.basePath ?? ''),
  )
  const server: Server = { ...options, context, bodyBytes: options.bodyBytes ?? DEFAULT_LIMITS.frameBytes }
  return (req, res, next) => {
    // Express gives the rest of the path behind a mount's prefix, so the prefix is said once, in app.use().
    const { path, search } = splitTarget(req.url ?? '/')
    const matches = table.match(path)
    // A preflight is the host's CORS layer to answer, wherever in its chain that sits.
    const foreign = matches.length === 0 || req.method === 'OPTIONS'
    if (foreign && next !== undefined) next()
    else void new Exchange(server, req, res).run(matches, search)
  }
}

type Server = RouterOptions & { readonly context: RouteContext; readonly bodyBytes: number }

/** One request and its one answer. */
class Exchange {
  readonly #server: Server
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #requestId: string

  constructor(server: Server, req: IncomingMessage, res: ServerResponse) {
    this.#server = server
    this.#req = req
    this.#res = res
    this.#requestId = server.ids.uuid()
  }

  /** Answers, whatever happens. Never rejects. */
  async run(matches: readonly RouteMatch[], search: string): Promise<void> {
    const { logger } = this.#server
    try {
      // A client goes away in the middle of an answer as a matter of course; without a listener some streams would throw.
      this.#res.on('error', () => {})
      await this.#answer(matches, search)
    } catch (error) {
      logger.error({ err: error, requestId: this.#requestId }, 'a request could not be answered')
      this.#res.destroy()
    }
  }

  async #answer(matches: readonly RouteMatch[], search: string): Promise<void> {
    const method = this.#req.method === 'HEAD' ? 'GET' : this.#req.method
    const match = matches.find(({ route }) => route.method === method)
    try {
      // 405 has no code in the contract's table, so a wrong method is NOT_FOUND, with the Allow header that RFC 9110
      // §15.5.6 asks of a 405: clients go by codes, people find out by the header.
      if (match === undefined) throw new ImError('NOT_FOUND', { detail: `There is no ${String(this.#req.method)} here.` })
      this.#send(200, { 'content-type': 'application/json; charset=utf-8' }, await this.#result(match, search))
    } catch (error) {
      if (!speaksForItself(error) || error.code === 'INTERNAL') {
        const route = match === undefined ? undefined : `${match.route.method} ${match.route.pattern}`
        this.#server.logger.error({ err: error, requestId: this.#requestId, route }, 'a request failed')
      }
      const { status, headers, body } = problemOf(error, this.#requestId)
      const allow = match === undefined && matches.length > 0 ? { allow: allowed(matches) } : {}
      this.#send(status, { 'content-type': 'application/problem+json', ...headers, ...allow }, JSON.stringify(body))
    }
  }

  async #result({ route, params }: RouteMatch, search: string): Promise<string> {
    const { context, bodyBytes, serving } = this.#server
    if (serving?.() === false) throw new ImError('UNAVAILABLE', { detail: 'The server is not running (im.start()).', retryAfterMs: 1_000 })
    const principal = route.access === 'anyone' ? undefined : await this.#authenticate()
    const path = readPath(route.path, params)
    const query = readQuery(route.query, search)
    const body = route.body === undefined ? undefined : validate(route.body, await readJson(this.#req, bodyBytes))
    return route.handle(principal, { context, path, query, body, req: this.#req })
  }

  async #authenticate() {
    const gone = new AbortController()
    const onClose = (): void => gone.abort()
    this.#res.on('close', onClose)
    try {
      return await authenticateRequest(this.#server, this.#req, gone.signal, this.#requestId)
    } catch (error) {
      // Also when it was late: whatever it still waits for, nobody wants the answer.
      gone.abort()
      throw error
    } finally {
      this.#res.off('close', onClose)
    }
  }

  #send(status: number, headers: Readonly<Record<string, string>>, json: string): void {
    const req = this.#req
    const res = this.#res
    // Gone, or something in front (a time-out middleware) has answered already.
    if (res.destroyed || res.headersSent || res.writableEnded) return
    // Node drops the body itself when the request was a HEAD.
    res
      .writeHead(status, {
        ...headers,
        'content-length': Buffer.byteLength(json),
        'cache-control': 'no-store',
        'x-request-id': this.#requestId,
        ...(this.#server.draining() && req.httpVersionMajor === 1 ? { connection: 'close' } : {}),
      })
      .end(json)
    discardRest(req)
  }
}

function allowed(matches: readonly RouteMatch[]): string {
  const methods = new Set<string>(matches.map(({ route }) => route.method))
  if (methods.has('GET')) methods.add('HEAD')
  return [...methods].sort().join(', ')
}
