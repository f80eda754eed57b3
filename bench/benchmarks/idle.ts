import { setTimeout as sleep } from 'node:timers/promises'
import type { Contender } from '../contenders.js'
import type { Scale } from '../scale.js'
import { type MemoryUse, ServerProcess } from '../server-process.js'
import { spreadOf } from '../statistics.js'
import { type BenchClient, type ClientListener, connectAll } from '../wire/client.js'
import { CONNECT_MS, Failure } from './load.js'

export interface IdleSample {
  readonly connections: number
  /** Resident bytes a connection adds, after forced collections. */
  readonly rssPerConnection: number
  readonly heapPerConnection: number
  /** CPU microseconds a connection costs per second, user and system. */
  readonly cpuMicrosPerConnectionSecond: number
}

const MEMORY_SAMPLES = 3
/** Connections that are there before the first measurement, as a share of those measured. */
export const SETTLERS = 1 / 5

interface Candidate {
  readonly contender: Contender
  readonly server: ServerProcess
  readonly listener: ClientListener
  clients: readonly BenchClient[]
  before: MemoryUse
}

/**
 * One round of all contenders at once: idle servers take no CPU from one another, and a window shared by all is the same for all.
 * Each is connected to in turn.
 */
export async function runIdle(contenders: readonly Contender[], scale: Scale): Promise<Map<Contender, IdleSample>> {
  const failure = new Failure()
  const listener: ClientListener = { accepted: () => {}, delivered: () => {}, failed: failure.report }
  const candidates: Candidate[] = []
  try {
    for (const contender of contenders) {
      const server = await ServerProcess.start(contender.server)
      const candidate: Candidate = { contender, server, listener, clients: [], before: { rss: 0, heapUsed: 0, external: 0 } }
      candidates.push(candidate)
      const connect = (name: string, count: number) =>
        failure.guard(connectUsers(candidate, name, count), CONNECT_MS, `connecting to ${contender.name}`)
      // The first connections also pay for compiled code, tables and the young generation: what the next ones add is what one costs.
      candidate.clients = await connect('settler', Math.ceil(scale.idleConnections * SETTLERS))
      candidate.before = await settledMemory(server)
      candidate.clients = [...candidate.clients, ...(await connect('user', scale.idleConnections))]
    }
    // The connecting itself leaves work and garbage behind, which are not the idle connections' cost.
    for (const { server } of candidates) await server.memory()
    const cpu = new Map<Candidate, number>()
    for (const candidate of candidates) cpu.set(candidate, await candidate.server.cpuMicros())
    await failure.guard(sleep(scale.idleMs), scale.idleMs * 2, 'idling')
    for (const candidate of candidates) cpu.set(candidate, (await candidate.server.cpuMicros()) - (cpu.get(candidate) as number))

    const samples = new Map<Contender, IdleSample>()
    for (const candidate of candidates) {
      const full = await settledMemory(candidate.server)
      const { before } = candidate
      const count = scale.idleConnections
      samples.set(candidate.contender, {
        connections: count,
        rssPerConnection: (full.rss - before.rss) / count,
        heapPerConnection: (full.heapUsed + full.external - before.heapUsed - before.external) / count,
        cpuMicrosPerConnectionSecond: (cpu.get(candidate) as number) / candidate.clients.length / (scale.idleMs / 1000),
      })
    }
    return samples
  } finally {
    for (const { server, clients } of candidates) {
      for (const client of clients) client.close()
      await server.stop()
    }
  }
}

function connectUsers({ contender, server, listener }: Candidate, name: string, count: number): Promise<BenchClient[]> {
  const logins = Array.from({ length: count }, (_, i) => ({ port: server.port, userId: `${name}-${i}`, listener }))
  return connectAll(contender.connect, logins)
}

async function settledMemory(server: ServerProcess): Promise<MemoryUse> {
  const samples: MemoryUse[] = []
  for (let i = 0; i < MEMORY_SAMPLES; i++) samples.push(await server.memory())
  const median = (pick: (use: MemoryUse) => number) => spreadOf(samples.map(pick)).median
  return { rss: median((use) => use.rss), heapUsed: median((use) => use.heapUsed), external: median((use) => use.external) }
}
