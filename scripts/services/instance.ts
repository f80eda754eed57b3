import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isAlive, removeFolder, writeRecord, type RunRecord } from './folders.js'
import { poll } from './poll.js'

const READY_MS = 60_000
const STOP_MS = 15_000

export interface InstanceOptions {
  readonly service: string
  readonly url: string
  readonly source: string
  /** Holds the data; its path is part of the command line, by which a leftover process is recognised. */
  readonly folder: string
  readonly port: number
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly detached: boolean
  readonly container?: string | undefined
  /** Whether the server on this port serves clients. */
  readonly isReady: (port: number) => Promise<boolean>
}

const attached = new Set<ServerInstance>()

/** One server process on a fixed port and folder, which can be killed and started again on the same data. */
export class ServerInstance {
  readonly #options: InstanceOptions
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()

  constructor(options: InstanceOptions) {
    this.#options = options
  }

  get port(): number {
    return this.#options.port
  }

  get folder(): string {
    return this.#options.folder
  }

  /** The server's output so far. */
  get log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#options.service} is not running.`)
    return this.#child.pid
  }

  /** Starts the process and resolves when it serves clients. Rejects with the end of its log when it ends before that. */
  async start(): Promise<void> {
    const { service, url, source, folder, port, command, args, env, detached, container } = this.#options
    const log = openSync(join(folder, 'log'), 'a')
    const child = spawn(command, [...args], { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', log, log], detached })
    closeSync(log)
    this.#child = child
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
    if (detached) child.unref()
    else endWithThisProcess(this)
    const record: RunRecord = { service, url, source, port, container, pid: child.pid, ownerPid: detached ? undefined : process.pid }
    writeRecord(folder, record)
    await this.waitReady()
  }

  /** Resolves when the server serves clients. */
  async waitReady(withinMs = READY_MS): Promise<void> {
    const { service, port, isReady } = this.#options
    await poll(withinMs, `${service} on port ${port} was not ready`, async () => {
      if (!this.#running) throw new Error(`${service} ended before it was ready. Its log ends:\n${this.log.slice(-2_000)}`)
      return (await isReady(port)) || undefined
    })
  }

  /** Kills the process as a power cut would, and resolves when it is gone. */
  async kill9(): Promise<void> {
    this.killNow()
    await this.#exited
  }

  /** Starts it again on the same data and port; call after `kill9`. */
  async restart(): Promise<void> {
    if (this.#running) await this.kill9()
    await this.start()
  }

  /** Ends the process, hard and at once: the data are thrown away. */
  async stop(): Promise<void> {
    await this.kill9()
    attached.delete(this)
    removeFolder(this.folder)
  }

  killNow(): void {
    if (this.#options.container !== undefined) spawnSync('docker', ['kill', this.#options.container], { stdio: 'ignore' })
    if (this.#running) this.#child?.kill('SIGKILL')
  }

  get #running(): boolean {
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }
}

function endWithThisProcess(instance: ServerInstance): void {
  if (attached.size === 0) {
    process.once('exit', () => {
      for (const each of attached) {
        each.killNow()
        removeFolder(each.folder)
      }
    })
  }
  attached.add(instance)
}

/** Ends a recorded process that another run started, unless its id now belongs to something else. */
export async function endRecorded(folder: string, record: RunRecord): Promise<void> {
  const { pid, container, service } = record
  if (container !== undefined) spawnSync('docker', ['kill', container], { stdio: 'ignore' })
  if (pid !== undefined && isAlive(pid) && commandLine(pid).includes(folder)) {
    process.kill(pid, 'SIGKILL')
    await poll(STOP_MS, `${service} (process ${pid}) did not end`, () => (isAlive(pid) && !isZombie(pid) ? undefined : true))
  }
  removeFolder(folder)
}

export const commandLine = (pid: number): string => ps(pid, 'args')
const isZombie = (pid: number): boolean => ps(pid, 'stat').startsWith('Z')
const ps = (pid: number, column: string): string =>
  spawnSync('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? ''

/** Below the ports that systems give to outgoing connections. */
const PORTS = { from: 20_000, count: 10_000 }
const PORT_ATTEMPTS = 50

/**
 * A port that nothing listens on. Not one that the system would choose: while a server on such a port is down, a client that tries to
 * reach it may be given that very port as its own, be connected to itself and keep the server from coming back. Somebody else can still
 * take it first; the server then says so and the caller tries another.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = PORTS.from + randomInt(PORTS.count)
    try {
      return await listenOnce(port)
    } catch (error) {
      if (attempt >= PORT_ATTEMPTS || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)))
  })
}
