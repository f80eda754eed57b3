import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createImServer, type ImServer, type ImServerOptions } from '@innerline/server-core'
import express from 'express'
import { BackendRefused, chooseBackends, wordsOf } from './backends.js'
import { DEMO_PASSWORD, DEMO_USERS } from './demo-users.js'
import { tokenSecret } from './token-secret.js'
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
 * (`EADDRINUSE` …).
 */
export async function startDemo({ port, env = {}, limits, logger }: DemoOptions): Promise<Demo> {
  const im = createImServer({
    ...chooseBackends(env),
    accounts: {
      secret: tokenSecret(env),
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
  await im.start().catch((error: unknown) => {
    // Memory refuses nothing, so it is the database that does.
    throw new BackendRefused(`The demo cannot start on the database that MYSQL_URL names. ${wordsOf(error)}`, { cause: error })
  })
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
