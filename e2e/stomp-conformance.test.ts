import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformanceCases, innerline, runCase } from './stomp-conformance/index.js'
import { type RunningServer, startServer } from './support/im-server.js'

const profile = innerline('bob')
const applicable = conformanceCases.filter((one) => one.applies?.(profile) !== false)

describe('STOMP 1.2 over WebSocket', () => {
  let server: RunningServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.stop())

  const run = (one: (typeof applicable)[number]) => () =>
    runCase(one, { url: server.ws(), profile, credentials: [['Authorization', 'Bearer alice']] })

  for (const one of applicable.filter(({ slow }) => slow !== true)) it(one.id, run(one))
  // They wait for time limits, each on connections of its own, so they wait together.
  for (const one of applicable.filter(({ slow }) => slow === true)) it.concurrent(one.id, run(one), 120_000)
})
