import type { Ids, Problem } from '@innerline/protocol'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { Acknowledge } from '../../src/app/acknowledge.js'
import { AppendLanes } from '../../src/app/append-lanes.js'
import { ConversationAccess } from '../../src/app/conversation-access.js'
import type { Hooks } from '../../src/app/hooks.js'
import { ListConversations } from '../../src/app/list-conversations.js'
import { PageReader } from '../../src/app/page-reader.js'
import { ReadMessages } from '../../src/app/read-messages.js'
import { SendMessage } from '../../src/app/send-message.js'
import { createRouter, type RequestHandler, type RouterOptions, type UseCases } from '../../src/http/index.js'
import { ROUTES } from '../../src/http/routes/index.js'
import { memoryRateLimiter, memoryStorage, memoryUnreadBadges } from '../../src/memory/index.js'
import type { Logger, Storage, UserDirectory } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

export interface LoggedLine {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string | undefined
}

/** Everything behind a router. */
export interface World {
  readonly storage: Storage
  readonly app: UseCases
  readonly clock: TestClock
  readonly ids: Ids
  readonly logger: Logger
  readonly logged: LoggedLine[]
  readonly epoch: number
}

export interface WorldOptions {
  /** @default memory storage of its own */
  readonly stage?: { readonly storage: Storage; readonly clock: TestClock; readonly ids: Ids }
  readonly hooks?: Hooks
  readonly directory?: UserDirectory
  readonly bodyBytes?: number
}

export function createWorld({ stage, hooks = {}, directory, bodyBytes = 48 * 1024 }: WorldOptions = {}): World {
  const { clock, ids } = stage ?? { clock: new TestClock(), ids: new TestIds() }
  const logged: LoggedLine[] = []
  const log = (level: string) => (fields: object, message?: string) => {
    logged.push({ level, fields: { ...fields }, message })
  }
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const storage = stage?.storage ?? memoryStorage({ clock })
  const nodeId = ids.uuid()
  const epoch = 1
  const access = new ConversationAccess({ storage, known: { presentAt: () => undefined }, directory, clock, nodeId })
  const app: UseCases = {
    send: new SendMessage({
      storage,
      lanes: new AppendLanes({ storage, clock, nodeId, lanes: 4, queueItems: 1_000, onCommitted: () => {} }),
      access,
      limiter: memoryRateLimiter({ clock }),
      sendRule: { perSecond: 10, burst: 30 },
      bodyBytes,
      hooks,
      beforeSend: { onFailure: 'closed', deadlineMs: 1_000 },
      clock,
      ids,
      logger,
      nodeId,
      onCommitted: () => {},
    }),
    acknowledge: new Acknowledge({ storage, badges: memoryUnreadBadges({ clock }), clock, logger, epoch: () => epoch, onMoved: () => {} }),
    read: new ReadMessages({
      storage,
      access,
      pages: new PageReader({ storage, concurrency: 8, queue: 100, pageBytes: 256 * 1024 }),
      epoch: () => epoch,
    }),
    conversations: new ListConversations({ storage, directory, epoch: () => epoch, clock, logger }),
  }
  return { storage, app, clock, ids, logger, logged, epoch }
}

/** Router options of a world where the bearer token is the user's id. */
export const routerOptions = ({ app, ids, clock, logger }: World): RouterOptions => ({
  app,
  ids,
  clock,
  logger,
  authenticate: ({ token }) => (token === undefined ? null : { userId: token, userType: 'user' }),
  draining: () => false,
})

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely and compare every field they read.
  readonly json: any
}

export interface RestServer {
  readonly port: number
  readonly http: Server
  /** A request as `user`; a body that is not a string is sent as JSON. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

export interface CallOptions {
  readonly user?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Serves a handler on a free port until the test has ended. */
export async function serve(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<RestServer> {
  const http = createServer(handler)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  return {
    port,
    http,
    async call(method, path, { user, body, headers = {} } = {}) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: {
          ...(user === undefined ? {} : { authorization: `Bearer ${user}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: text === '' ? undefined : JSON.parse(text) }
    },
  }
}

/** A world behind a router on a plain http server, without `next`. */
export async function serveWorld(
  options: Partial<RouterOptions> = {},
  worldOptions: WorldOptions = {},
): Promise<RestServer & { readonly world: World; readonly router: RequestHandler }> {
  const world = createWorld(worldOptions)
  const router = createRouter({ ...routerOptions(world), directory: worldOptions.directory, ...options })
  return { ...(await serve((req, res) => router(req, res))), world, router }
}

/** Calls a route and holds a good answer to the schema that is published for it: no field more, none less. */
export async function callByContract(server: RestServer, method: 'GET' | 'POST', path: string, options: CallOptions): Promise<Answer> {
  const answer = await server.call(method, path, options)
  if (answer.status !== 200) return answer
  const route = ROUTES.filter((candidate) => candidate.method === method).find(({ pattern }) =>
    new RegExp(`^${pattern.replace(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0] as string),
  )
  expect(route?.answer.parse(answer.json)).toEqual(answer.json)
  return answer
}

/** What every problem answer has, for `toMatchObject`. */
export const problemFields = (code: Problem['code'], status: number) => ({ code, status, type: typeOf(code) })

const typeOf = (code: string): string => `https://github.com/innerline/innerline/blob/main/docs/errors.md#${code.toLowerCase()}`
