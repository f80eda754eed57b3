import { afterAll, beforeAll } from 'vitest'
import { startService } from '../../../../scripts/services/provide.js'
import type { RunningService } from '../../../../scripts/services/service.js'

/** Servers of which a private instance can be had here: only such a one may be killed. */
export const privateServers = (['mariadb', 'mysql9'] as const).filter((name) =>
  // The URL of a private instance is on a local port; one from outside says nothing about what can be started here.
  /^mysql:\/\/root@127\.0\.0\.1:/.test(process.env[name === 'mariadb' ? 'MARIADB_URL' : 'MYSQL9_URL'] ?? ''),
)

/** A server of the describe block's own, whose connections nobody else has. */
export function ownServer(name: string, extraArgs: readonly string[] = []): () => RunningService {
  let running: RunningService | undefined
  beforeAll(async () => {
    running = await startService(name, { extraArgs })
  })
  afterAll(() => running?.stop())
  return () => {
    if (running === undefined) throw new Error(`${name} has not been started.`)
    return running
  }
}
