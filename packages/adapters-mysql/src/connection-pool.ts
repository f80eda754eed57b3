import { ImError } from '@innerline/protocol'
import type { Cancel, Clock } from '@innerline/server-core'
import { DeadlineError, type DriverConnection, type OpenConnection, runStatements, type StatementResult } from './driver.js'
import type { Sql } from './sql.js'
import { sql, text } from './sql.js'

export interface ConnectionPoolOptions {
  readonly open: OpenConnection
  readonly clock: Clock
  /** Connections at most. */
  readonly limit: number
  /** How long a caller waits for one before `UNAVAILABLE`. */
  readonly acquireMs: number
  /** A statement without an answer for so long costs its connection. */
  readonly deadlineMs: number
  /** Looks at every new connection before it is used; when it rejects, the connection is not. */
  readonly greet?: ((connection: OwnConnection) => Promise<void>) | undefined
  /** A name that no other connection has. */
  readonly newName: () => string
  /** The connection of this name was given up in mid-statement; the server may still be at work on it. */
  readonly onDeadline: (name: string) => void
}

/** Below what servers and balancers cut idle connections at, so that one is rarely found dead. */
const IDLE_MS = 45_000
const CLOSE_GRACE_MS = 5_000
/** Metadata locks are waited for by seconds, not by the server's default of a year. */
const METADATA_LOCK_SECONDS = 5

/** What every connection of ours starts with; a borrowed one is never told any of it. */
export const sessionSetup: readonly Sql[] = [
  sql`SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00', SESSION autocommit = 1, SESSION completion_type = 0`,
  sql`SET SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = ${METADATA_LOCK_SECONDS}`,
  sql`SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`,
]

/** By a lock that lasts as long as the connection: its number is given again once the server has been started anew. */
const nameConnection = (name: string): Sql => sql`DO GET_LOCK(${text(name)},0)`

/** One connection of ours, in use by one caller at a time. */
export class OwnConnection {
  idleSince = 0

  constructor(
    readonly raw: DriverConnection,
    private readonly clock: Clock,
    private readonly deadlineMs: number,
    private readonly onDeadline: () => void,
  ) {}

  /** Runs one packet of statements. Rejects with the driver's error. */
  async run(statements: readonly Sql[]): Promise<readonly StatementResult[]> {
    try {
      return await runStatements(this.raw, statements, this.clock, this.deadlineMs)
    } catch (error) {
      if (error instanceof DeadlineError) this.onDeadline()
      throw error
    }
  }
}

interface Waiter {
  readonly take: (connection: OwnConnection) => void
  /** Lets the waiter try to open one itself. */
  readonly retry: () => void
  readonly reject: (error: unknown) => void
}

/** A small pool of our own connections: bounded, with a deadline for waiting, and closed by us. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  readonly #idle: OwnConnection[] = []
  readonly #waiting = new Set<Waiter>()
  readonly #busy = new Set<OwnConnection>()
  #opening = 0
  #closed = false
  #drained: (() => void) | undefined

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
  }

  get #used(): number {
    return this.#idle.length + this.#busy.size + this.#opening
  }

  /** Rejects `UNAVAILABLE` when none is free in time, or with the driver's error when none can be opened. */
  async acquire(): Promise<OwnConnection> {
    const deadline = this.#options.clock.monotonic() + this.#options.acquireMs
    for (;;) {
      if (this.#closed) throw closedError()
      const idle = this.#takeIdle()
      if (idle !== undefined) return idle
      if (this.#used < this.#options.limit) return this.#open()
      const handed = await this.#wait(deadline - this.#options.clock.monotonic())
      if (handed !== undefined) return handed
    }
  }

  /** Gives back a connection that has no transaction open. */
  release(connection: OwnConnection): void {
    if (!this.#busy.has(connection)) return
    if (this.#closed) return this.discard(connection)
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      return next.take(connection)
    }
    this.#busy.delete(connection)
    connection.idleSince = this.#options.clock.monotonic()
    this.#idle.push(connection)
  }

  /** Ends a connection whose state is not known. */
  discard(connection: OwnConnection): void {
    this.#busy.delete(connection)
    connection.raw.destroy()
    this.#letOneOpen()
    this.#settleClose()
  }

  /** Resolves when every connection is closed; what is under way has a few seconds. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiting) waiter.reject(closedError())
    this.#waiting.clear()
    for (const connection of this.#idle.splice(0)) farewell(connection)
    if (this.#busy.size + this.#opening === 0) return
    let cancel: Cancel | undefined
    await new Promise<void>((resolve) => {
      this.#drained = resolve
      cancel = this.#options.clock.after(CLOSE_GRACE_MS, resolve)
    })
    cancel?.()
    for (const connection of [...this.#busy]) this.discard(connection)
  }

  #takeIdle(): OwnConnection | undefined {
    const now = this.#options.clock.monotonic()
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) return undefined
      if (now - connection.idleSince < IDLE_MS) {
        this.#busy.add(connection)
        return connection
      }
      farewell(connection)
    }
  }

  async #open(): Promise<OwnConnection> {
    const { open, clock, deadlineMs, newName, onDeadline, greet } = this.#options
    const name = newName()
    this.#opening++
    try {
      const connection = new OwnConnection(await open(), clock, deadlineMs, () => onDeadline(name))
      try {
        await connection.run([...sessionSetup, nameConnection(name)])
        await greet?.(connection)
      } catch (error) {
        connection.raw.destroy()
        throw error
      }
      if (this.#closed) {
        connection.raw.destroy()
        throw closedError()
      }
      // Told while nobody uses it: a server that was started again leaves all of them dead at once.
      connection.raw.on('error', () => this.#forget(connection))
      this.#busy.add(connection)
      return connection
    } finally {
      this.#opening--
      this.#letOneOpen()
      this.#settleClose()
    }
  }

  #forget(connection: OwnConnection): void {
    const at = this.#idle.indexOf(connection)
    if (at < 0) return
    this.#idle.splice(at, 1)
    connection.raw.destroy()
    this.#letOneOpen()
  }

  /** A place has become free without a connection to hand over. */
  #letOneOpen(): void {
    if (this.#closed || this.#used >= this.#options.limit) return
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    next.retry()
  }

  #settleClose(): void {
    if (this.#closed && this.#busy.size + this.#opening === 0) this.#drained?.()
  }

  #wait(ms: number): Promise<OwnConnection | undefined> {
    return new Promise((resolve, reject) => {
      let cancel: Cancel | undefined
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          cancel?.()
          then(value)
        }
      const waiter: Waiter = { take: settle(resolve), retry: () => settle(resolve)(undefined), reject: settle(reject) }
      this.#waiting.add(waiter)
      cancel = this.#options.clock.after(Math.max(0, ms), () => {
        this.#waiting.delete(waiter)
        reject(new ImError('UNAVAILABLE', { detail: 'All connections to the database are busy.', retryAfterMs: 1_000 }))
      })
    })
  }
}

/** `end` says goodbye and may hang on a dead socket, so nobody waits for it. */
function farewell(connection: OwnConnection): void {
  try {
    connection.raw.end(() => connection.raw.destroy())
  } catch {
    connection.raw.destroy()
  }
}

const closedError = (): ImError => new ImError('UNAVAILABLE', { detail: 'This storage has been closed.', retryAfterMs: 1_000 })
