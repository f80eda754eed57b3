import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createImServer, type ImServer, type ImServerOptions } from '@innerline/server-core'

/** A running server on a port of its own. */
export interface RunningServer {
  readonly im: ImServer
  readonly http: Server
  readonly port: number
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  /** WebSocket URL of an endpoint, such as `/ws/chat`. */
  ws(path?: string): string
  /** A REST call as `user`; resolves with status and parsed body. */
  rest(user: string, method: string, path: string, body?: unknown): Promise<RestAnswer>
  stop(): Promise<void>
}

export interface RestAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the answer is said to have
  readonly body: any
}

/** Tokens are user ids; `wrong…` is not accepted, `broken` makes the check throw. Ids that begin with `agent` are agents. */
export const authenticateByToken: NonNullable<ImServerOptions['authenticate']> = ({ token }) => {
  if (token === 'broken') throw new Error('the host cannot check tokens now')
  if (token === undefined || token.startsWith('wrong')) return null
  return { userId: token, userType: token.startsWith('agent') ? 'agent' : 'user' }
}

/** Mounts a server in a plain http server on port 0; `app` answers what the router does not. */
export async function startServer(options: Partial<ImServerOptions> = {}, app?: RequestListener): Promise<RunningServer> {
  const im = createImServer({ authenticate: authenticateByToken, ...options })
  const http = createServer((req, res) => {
    im.router(req, res, app === undefined ? undefined : () => app(req, res))
  })
  im.attach(http)
  await im.start()
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  return {
    im,
    http,
    port,
    origin,
    ws: (path = '/ws/chat') => `ws://127.0.0.1:${port}${path}`,
    rest: async (user, method, path, body) => {
      const answer = await fetch(origin + path, {
        method,
        headers: { authorization: `Bearer ${user}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: answer.status, body: await answer.json() }
    },
    stop: async () => {
      await im.close()
      http.closeAllConnections()
      await new Promise<void>((resolve) => http.close(() => resolve()))
    },
  }
}

/** Waits until `holds`, polling; rejects with what it waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
