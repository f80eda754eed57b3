import { performance } from 'node:perf_hooks'
import type { ServerProcess } from '../server-process.js'

/** CPU spent by both sides while `work` ran. */
export interface Cost {
  readonly elapsedMs: number
  /** The server's CPU microseconds, user and system. */
  readonly cpuMicros: number
  /** Share of one core that the server used, 0 to 1 and above. */
  readonly serverBusy: number
  /** The same of the load generator: near 1 means that it, not the server, set the rate. */
  readonly generatorBusy: number
  readonly generatorMicros: number
  /** CPU microseconds of the database behind the server; 0 without one. */
  readonly databaseMicros: number
  readonly databaseBusy: number
}

/** Runs `work` and measures what it cost, the database behind the server included. */
export async function costOf(
  server: ServerProcess,
  work: () => Promise<void>,
  database?: { readonly cpuMicros: () => number },
): Promise<Cost> {
  const databaseBefore = database?.cpuMicros() ?? 0
  const cpuBefore = await server.cpuMicros()
  const ownBefore = process.cpuUsage()
  const begin = performance.now()
  await work()
  const elapsedMs = performance.now() - begin
  const own = process.cpuUsage(ownBefore)
  const cpuMicros = (await server.cpuMicros()) - cpuBefore
  const databaseMicros = (database?.cpuMicros() ?? 0) - databaseBefore
  const generatorMicros = own.user + own.system
  const busy = (micros: number) => micros / 1000 / elapsedMs
  return {
    ...{ elapsedMs, cpuMicros, generatorMicros, databaseMicros },
    ...{ serverBusy: busy(cpuMicros), generatorBusy: busy(generatorMicros), databaseBusy: busy(databaseMicros) },
  }
}

/** Longest a contender may take to log all users in. */
export const CONNECT_MS = 60_000

/** A run's first failure, which every wait of the run rejects with. */
export class Failure {
  readonly #rejects = new Set<(error: Error) => void>()
  #error: Error | undefined

  readonly report = (reason: string): void => {
    this.#error ??= new Error(reason)
    for (const reject of this.#rejects) reject(this.#error)
  }

  /** `work`, unless a failure comes first or it takes over `limitMs`. */
  async guard<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
    // The wait below may end first; what `work` says after that interests nobody.
    work.catch(() => {})
    await this.wait(
      limitMs,
      () => what,
      (done) =>
        work.then(
          () => done(),
          (error: Error) => this.report(`${what}: ${error.message}`),
        ),
    )
    return work
  }

  /** Resolves when `start` calls `done`; rejects on a failure, and after `limitMs` with what `progress` then says. */
  wait(limitMs: number, progress: () => string, start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer)
        this.#rejects.delete(settle)
        if (error === undefined) resolve()
        else reject(error)
      }
      const timer = setTimeout(() => settle(new Error(`no end after ${limitMs} ms: ${progress()}`)), limitMs)
      this.#rejects.add(settle)
      if (this.#error === undefined) start(settle)
      else settle(this.#error)
    })
  }
}
