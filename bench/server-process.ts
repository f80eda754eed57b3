import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'

export interface MemoryUse {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
}

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: string
  readonly port?: number
  readonly unavailable?: string
}

/** A contender's server cannot run here, for a reason that is no fault of the run. */
export class Unavailable extends Error {}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly file?: string | undefined
}

const START_MS = 20_000
const fileOf = (name: string): string => fileURLToPath(new URL(`./servers/${name}.mjs`, import.meta.url))

/** A contender's server in a process of its own, which answers questions about itself. */
export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #lastId = 0

  private constructor(child: ChildProcess, port: number, name: string) {
    this.#child = child
    this.port = port
    child.on('message', (answer: Answer) => {
      const call = this.#waiting.get(answer.id ?? 0)
      if (call === undefined) return
      this.#waiting.delete(answer.id ?? 0)
      if (answer.error === undefined) call.resolve(answer.result)
      else call.reject(new Error(`${name}: ${answer.error}`))
    })
    child.once('exit', (code, signal) => {
      for (const call of this.#waiting.values()) call.reject(new Error(`The server of ${name} ended (${signal ?? code}).`))
      this.#waiting.clear()
    })
  }

  /** Starts `servers/<name>.mjs`, or `file`. Rejects {@link Unavailable} where that server says that it cannot be had. */
  static async start(name: string, { env: added = {}, file = fileOf(name) }: StartOptions = {}): Promise<ServerProcess> {
    const env = { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '', ...added }
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
    const signal = AbortSignal.timeout(START_MS)
    const ended = once(child, 'exit', { signal }).then(() => {
      throw new Error(`The server of ${name} ended before it listened.`)
    })
    const [first] = (await Promise.race([once(child, 'message', { signal }), ended]).catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })) as [Answer]
    ended.catch(() => {})
    if (first.unavailable !== undefined) throw new Unavailable(first.unavailable)
    return new ServerProcess(child, first.port as number, name)
  }

  /** CPU time the process has used so far, user and system, all threads: microseconds. */
  async cpuMicros(): Promise<number> {
    const { user, system } = (await this.ask('usage')) as NodeJS.CpuUsage
    return user + system
  }

  /** Memory after forced collections. */
  memory(): Promise<MemoryUse> {
    return this.ask('memory') as Promise<MemoryUse>
  }

  /** Tells the server a room's members before they connect. */
  async openRoom(room: string, userIds: readonly string[]): Promise<void> {
    await this.ask('open', { room, userIds })
  }

  /** Begins a CPU profile of the server. */
  async startProfile(): Promise<void> {
    await this.ask('profileStart')
  }

  async stopProfile(): Promise<Profiler.Profile> {
    return (await this.ask('profileStop')) as Profiler.Profile
  }

  /** Ends the process at once. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  /** Asks for one of the process's own operations; rejects with what it throws. */
  ask(operation: string, argument?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, operation, argument }, (error) => {
        if (error !== null) reject(error)
      })
    })
  }
}
