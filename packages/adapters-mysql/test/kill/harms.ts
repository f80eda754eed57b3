import type { ServerInstance } from '../../../../scripts/services/instance.js'
import { ConnectionKiller } from './connection-killer.js'
import type { RunUnderHarm } from './kill-run.js'
import { monotonicNow, sleep } from './messages.js'

export interface Harm {
  (run: RunUnderHarm): Promise<void>
  /** What it has done, for people. */
  says(): string
  /** How often it has struck. */
  count(): number
}

/** Options of a server that makes a commit durable before anybody can see it (ADR 5). Without them each restart begins a new epoch. */
export const crashSafe = (name: string): readonly string[] => [
  ...['--log-bin=binlog', '--sync-binlog=1', '--server-id=1'],
  ...(name === 'mariadb' ? ['--binlog-format=ROW'] : []),
]

/** KILLs connections at random until the load has ended. */
export function killConnections({ uri, everyMs = 15, busyShare = 0.6 }: { uri: string; everyMs?: number; busyShare?: number }): Harm {
  let killer: ConnectionKiller | undefined
  const harm = async ({ ended }: RunUnderHarm): Promise<void> => {
    killer = new ConnectionKiller({ uri, everyMs, busyShare, seed: 1 })
    await aborted(ended)
    await killer.stop()
  }
  return Object.assign(harm, {
    says: () => `${killer?.killed ?? 0} connections killed, ${killer?.killedBusy ?? 0} of them while carrying something out`,
    count: () => killer?.killed ?? 0,
  })
}

/** `kill -9` of the server and a new start on the same data, `times` times, spread over the load. */
export function killServer({ instance, times, appends }: { instance: ServerInstance; times: number; appends: number }): Harm {
  const downMs: number[] = []
  const harm = async ({ ended, acknowledged }: RunUnderHarm): Promise<void> => {
    for (let i = 0; i < times; i++) {
      // In the middle of the load, wherever it is then: the first third, the second …
      while (acknowledged() < (appends * (i + 0.5)) / times && !ended.aborted) await sleep(5)
      if (ended.aborted) return
      const start = monotonicNow()
      await instance.kill9()
      await instance.restart()
      downMs.push(Math.round(monotonicNow() - start))
    }
  }
  return Object.assign(harm, {
    says: () => `the server killed ${downMs.length} times in mid-load, back after ${downMs.join(', ')} ms`,
    count: () => downMs.length,
  })
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
