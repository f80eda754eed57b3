import { CLOSE, ImError, QUEUES } from '@innerline/protocol'
import type { Cancel, Principal } from '../ports/index.js'
import { AttachGate } from './attach-gate.js'
import { Connection, type ConnectionHost } from './connection.js'
import { type GatewayContext, TIMING } from './context.js'
import type { Handshake } from './handshake.js'
import type { GatewaySocket, SocketListener } from './socket.js'
import { visit } from './sweep.js'

const ATTACHES_AT_ONCE = 16
const ANSWER_WAIT_MS = 5_000

/** All connections of a node: takes sockets, flushes once per turn, looks after them once a second, drains. */
export class Gateway implements ConnectionHost {
  readonly context: GatewayContext
  readonly #connections = new Set<Connection>()
  readonly #byUser = new Map<string, Set<Connection>>()
  readonly #attaches = new AttachGate(ATTACHES_AT_ONCE)
  readonly #attaching = new Map<Connection, { readonly running: Promise<void>; next: Promise<void> | undefined }>()
  #dirty: Connection[] = []
  #unauthenticated = 0
  #bufferedBytes = 0
  #cancelSweep: Cancel | undefined
  #started = false
  #draining = false

  constructor(context: GatewayContext) {
    this.context = context
  }

  get connections(): number {
    return this.#connections.size
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get isDraining(): boolean {
    return this.#draining
  }

  /** Whether another socket may come in now; otherwise why not. */
  get refusal(): ImError | undefined {
    if (this.#draining) return new ImError('DRAINING', { retryAfterMs: 1_000 })
    // Before that nobody knows the epoch, and what is committed meanwhile would reach nobody.
    if (!this.#started) return new ImError('UNAVAILABLE', { detail: 'The server is starting.', retryAfterMs: 1_000 })
    if (this.#unauthenticated >= this.context.limits.unauthenticatedSockets) {
      return new ImError('BUSY', { detail: 'Too many sockets have not authenticated yet.', retryAfterMs: 2_000 })
    }
    return undefined
  }

  start(): void {
    this.#started = true
    this.#cancelSweep = this.context.clock.after(TIMING.sweep, () => {
      this.#sweep()
      this.start()
    })
  }

  /** Takes a WebSocket that has been answered 101. Returns what listens to it. */
  accept(socket: GatewaySocket, handshake: Handshake): SocketListener {
    const connection = new Connection(this.context.ids.uuid(), socket, handshake, this)
    this.#connections.add(connection)
    this.#unauthenticated++
    return connection
  }

  markDirty(connection: Connection): void {
    if (connection.isDirty) return
    connection.isDirty = true
    this.#dirty.push(connection)
    if (this.#dirty.length === 1) this.context.clock.soon(() => this.#flush())
  }

  /** One attach a connection at a time; all who ask meanwhile share one more, as the running one may have read before what made them ask. */
  attach(connection: Connection): Promise<void> {
    const asked = this.#attaching.get(connection)
    if (asked !== undefined) {
      asked.next ??= asked.running.then(
        () => this.attach(connection),
        () => this.attach(connection),
      )
      return asked.next
    }
    const running = this.#attachNow(connection).finally(() => this.#attaching.delete(connection))
    this.#attaching.set(connection, { running, next: undefined })
    return running
  }

  #attachNow(connection: Connection): Promise<void> {
    return this.#attaches.run(async () => {
      // It may have gone, or have unsubscribed, while it waited.
      const wanted = connection.state === 'open' && connection.subscriptionTo(QUEUES.messages) !== undefined
      if (wanted) await this.context.index.attach(connection)
    })
  }

  admit(_connection: Connection, principal: Principal): ImError | undefined {
    if (this.#draining) return new ImError('DRAINING', { retryAfterMs: 1_000 })
    const { connectionsPerUser } = this.context.limits
    if ((this.#byUser.get(principal.userId)?.size ?? 0) < connectionsPerUser) return undefined
    return new ImError('BUSY', { detail: `At most ${connectionsPerUser} connections a user.`, retryAfterMs: 10_000 })
  }

  onOpened(connection: Connection): void {
    this.#unauthenticated--
    const { userId } = connection
    const own = this.#byUser.get(userId)
    if (own === undefined) this.#byUser.set(userId, new Set([connection]))
    else own.add(connection)
    this.#guard(() => this.context.hooks.onConnect?.({ connectionId: connection.id, principal: connection.principal as Principal }))
    this.#record('connection.opened', connection, {})
  }

  onClosed(connection: Connection, code: number, reason: string): void {
    if (!this.#connections.delete(connection)) return
    const { principal, userId } = connection
    if (principal === undefined) {
      this.#unauthenticated--
      return
    }
    const own = this.#byUser.get(userId)
    own?.delete(connection)
    if (own?.size === 0) this.#byUser.delete(userId)
    const { index, presence, logger, hooks } = this.context
    index.detach(connection)
    connection.presenceTold
      .then(() => presence.remove({ userId, connectionId: connection.id }))
      .catch((error: unknown) => logger.warn({ err: error }, 'presence could not be told of a lost connection'))
    this.#guard(() => hooks.onDisconnect?.({ connectionId: connection.id, principal, code, reason }))
    this.#record('connection.closed', connection, { code })
  }

  /** Closes a user's connections on this node (of one device, if given) with a final code. Returns how many. */
  disconnectUser(
    userId: string,
    options: { readonly deviceId?: string | undefined; readonly code: number; readonly reason: string },
  ): number {
    let closed = 0
    for (const connection of [...(this.#byUser.get(userId) ?? [])]) {
      if (options.deviceId !== undefined && connection.principal?.deviceId !== options.deviceId) continue
      connection.event({ event: 'kicked', code: options.code, reason: options.reason })
      connection.close(options.code, options.reason)
      closed++
    }
    return closed
  }

  /**
   * Lets every client go without losing anything: no new sockets, then each is told when to come again and closed
   * 1012 after its answers, spread over `spreadMs`. Resolves when all have gone.
   */
  async drain(spreadMs: number): Promise<void> {
    this.#draining = true
    const { clock, ids } = this.context
    const leaving = [...this.#connections].map(async (connection, i, all) => {
      const wait = all.length === 1 ? 0 : (spreadMs * i) / all.length
      await new Promise<void>((resolve) => clock.after(wait, resolve))
      if (connection.state === 'open') connection.event({ event: 'drain', reconnectInMs: Math.round(ids.random() * 1_000) })
      await Promise.race([
        new Promise<void>((resolve) => connection.outstanding.whenNone(resolve)),
        new Promise<void>((resolve) => clock.after(ANSWER_WAIT_MS, resolve)),
      ])
      connection.close(CLOSE.drain, 'draining')
    })
    await Promise.all(leaving)
    for (let waited = 0; this.#connections.size > 0 && waited < ANSWER_WAIT_MS; waited += 50) {
      await new Promise<void>((resolve) => clock.after(50, resolve))
    }
  }

  /** Ends every connection now. */
  close(): void {
    this.#draining = true
    this.#cancelSweep?.()
    for (const connection of [...this.#connections]) connection.cut(CLOSE.drain, 'closing')
  }

  #flush(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const connection of dirty) {
      connection.isDirty = false
      connection.flush()
    }
  }

  #sweep(): void {
    const { clock, limits, metrics } = this.context
    const now = clock.monotonic()
    const epochNow = clock.now()
    let buffered = 0
    for (const connection of this.#connections) buffered += visit(connection, now, epochNow)
    this.#bufferedBytes = buffered
    metrics.gauge('im_connections', this.#connections.size)
    metrics.gauge('im_buffered_bytes', buffered)
    if (buffered > limits.nodeQueueBytes) this.#shed(buffered - limits.nodeQueueBytes)
  }

  /** Over the node's budget the largest queues go first: a lagging one is closed, the others lag (or are closed). */
  #shed(excess: number): void {
    const largest = [...this.#connections].sort((a, b) => b.socket.bufferedBytes - a.socket.bufferedBytes)
    let left = excess
    for (const connection of largest) {
      if (left <= 0) return
      left -= connection.socket.bufferedBytes
      if (connection.state !== 'open' || connection.queue.lagging) connection.cut(CLOSE.slowReader, 'node memory')
      else connection.lag()
    }
  }

  #record(type: string, connection: Connection, data: Readonly<Record<string, unknown>>): void {
    const { events, ids, clock } = this.context
    const { userId } = connection
    events.record({
      v: 1,
      eventId: ids.uuid(),
      type,
      at: clock.now(),
      actor: userId,
      entity: userId,
      data: { connectionId: connection.id, ...data },
    })
  }

  /** Hosts write async hooks where none is awaited, too. */
  #guard(hook: () => unknown): void {
    const failed = (error: unknown): void => this.context.logger.error({ err: error }, 'a connection hook failed')
    try {
      Promise.resolve(hook()).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
