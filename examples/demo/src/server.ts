import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createImServer, type ImServer, type ImServerOptions } from '@innerline/server-core'
import express from 'express'
import { chooseBackends } from './backends.js'
import { DEMO_PASSWORD, DEMO_USERS } from './demo-users.js'
import { webPage } from './web-page.js'

const WEB_DIST = fileURLToPath(new URL('../web-dist', import.meta.url))

export interface DemoOptions {
  /** 0 lets the system choose. */
  readonly port: number
  /** Where backends are named. Default: nowhere, so everything is in memory. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly limits?: ImServerOptions['limits']
  readonly logger?: ImServerOptions['logger']
}

export interface Demo {
  /** Where it answers, without a slash at the end. */
  readonly url: string
  readonly im: ImServer
  /** Sends the clients away over `spreadMs` (default 0), then stops. */
  close(options?: { readonly spreadMs?: number }): Promise<void>
}

/**
 * Starts the demo and resolves once it answers. Rejects with `BackendRefused`, with the system's error for a port that cannot be had
 * (`EADDRINUSE` …), or with what `im.start()` says.
 */
export async function startDemo({ port, env = {}, limits, logger }: DemoOptions): Promise<Demo> {
  const im = createImServer({
    ...chooseBackends(env),
    accounts: {
      // Fresh for each start: with the messages the sign-ins are forgotten too.
      secret: randomBytes(32).toString('hex'),
      users: DEMO_USERS.map((user) => ({ ...user, password: DEMO_PASSWORD })),
    },
    limits,
    logger,
  })

  const app = express()
  app.disable('x-powered-by')
  app.get('/healthz', async (_req, res) => {
    const health = await im.health()
    res.status(health.status === 'ok' || health.status === 'degraded' ? 200 : 503).json(health)
  })
  app.use(im.router)
  app.use(webPage(WEB_DIST))

  const server = createServer(app)
  im.attach(server)
  await im.start()
  try {
    server.listen(port)
    await once(server, 'listening')
  } catch (error) {
    await im.close()
    throw error
  }
  const { port: actual } = server.address() as AddressInfo
  return {
    url: `http://localhost:${actual}`,
    im,
    async close({ spreadMs = 0 } = {}) {
      const closed = once(server, 'close')
      server.close()
      await im.drain({ spreadMs })
      server.closeAllConnections()
      await closed
    },
  }
}
