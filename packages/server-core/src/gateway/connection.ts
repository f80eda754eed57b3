import {
  CLIENT_COMMANDS,
  CLOSE,
  ERROR_TITLES,
  type Frame,
  ImError,
  isImError,
  type ParsedItem,
  QUEUES,
  StompParser,
  StompProtocolError,
  type Summary,
} from '@innerline/protocol'
import { LaneOrder } from '../app/lane-order.js'
import type { LiveMessage, NewSessionEvent, Subscriber } from '../delivery/index.js'
import type { Cancel, Principal } from '../ports/index.js'
import { attachAgain } from './attach-again.js'
import { closeCodeOf, closeReason } from './close-reason.js'
import type { GatewayContext } from './context.js'
import { handleFrame } from './frame-handler.js'
import type { Handshake } from './handshake.js'
import { InboundLimit } from './inbound-limit.js'
import { OutboundQueue } from './outbound-queue.js'
import { Outstanding } from './outstanding.js'
import { errorFrame, logFrame, queueFrame, refusalOf, type Subscription } from './server-frames.js'
import type { GatewaySocket, SocketListener } from './socket.js'

/** What a connection needs of its gateway. */
export interface ConnectionHost {
  readonly context: GatewayContext
  /** Has the connection flushed at the end of this turn. */
  markDirty(connection: Connection): void
  /** Attaches (again) under the node's limit of attaches at once; rejects as MemberIndex.attach does. */
  attach(connection: Connection): Promise<void>
  /** Called once, when CONNECT has been accepted. */
  onOpened(connection: Connection): void
  /** Called once, when the socket has gone. */
  onClosed(connection: Connection, code: number, reason: string): void
  /** Refuses a principal the node has no room for; undefined = welcome. */
  admit(connection: Connection, principal: Principal): ImError | undefined
}

/** Shared by all connections that have nothing to wait for. */
const settled = Promise.resolve()
const none: readonly Subscription[] = []

type ExtraHeaders = readonly (readonly [string, string])[]

/** One client's connection: parses, hands frames to the handler in order, queues what goes out. Never throws into its callers. */
export class Connection implements SocketListener, Subscriber {
  readonly id: string
  readonly host: ConnectionHost
  readonly socket: GatewaySocket
  readonly openedAt: number
  readonly endpoint: Handshake['endpoint']
  /** Until CONNECT has been accepted: what the handshake left for authentication. */
  handshake: Handshake | undefined
  principal: Principal | undefined
  userId = ''
  state: 'connecting' | 'authenticating' | 'open' | 'closing' | 'closed' = 'connecting'
  /** Declared `im-lag:1`: drops messages and pulls rather than being closed when slow. */
  toleratesLag = false
  /** ms; 0 = none. */
  sendHeartBeatMs = 0
  /** Replaced, not grown: a growing array reserves room that idle connections never use. */
  subscriptions: readonly Subscription[] = none
  readonly queue = new OutboundQueue()
  readonly laneOrder = new LaneOrder()
  lastReadAt: number
  lastWriteAt: number
  readonly outstanding = new Outstanding()
  /** Of what is outstanding, messages on their way to the log. */
  sending = 0
  /** Has sent DISCONNECT: whatever else it sends means nothing. */
  isLeaving = false
  /** Bookkeeping of the sweep: when the socket last took bytes, and how many it had taken. */
  progressAt: number
  taken = 0
  /** When it began to close. */
  closingAt = 0
  expiryTold = false
  /** Settles when presence knows of the connection; it must not hear of its end before. */
  presenceTold: Promise<void> = settled
  /** Waits for the flush at the end of this turn. */
  isDirty = false
  /** Calls off the next try of an attach that failed. */
  cancelAttach: Cancel | undefined
  #parser: StompParser | undefined
  readonly #inbound: InboundLimit
  #binary = false
  #unauthenticatedBytes = 0
  /** Frames that came while reading was paused: a pause stops the socket, not what it had already handed over. */
  #inbox: ParsedItem[] | undefined
  #pauses = 0
  #pausedAt = 0
  #messageId = 0
  #closeCode = 1006
  #closeReason = ''

  constructor(id: string, socket: GatewaySocket, handshake: Handshake, host: ConnectionHost) {
    this.id = id
    this.socket = socket
    this.handshake = handshake
    this.host = host
    const now = host.context.clock.monotonic()
    this.openedAt = now
    this.lastReadAt = now
    this.lastWriteAt = now
    this.progressAt = now
    this.#inbound = new InboundLimit(host.context.limits, now)
    this.endpoint = handshake.endpoint
  }

  get isPaused(): boolean {
    return this.#pauses > 0
  }

  onMessage(bytes: Uint8Array, binary: boolean): void {
    if (this.#hasEnded) return
    const { clock, limits } = this.host.context
    const now = clock.monotonic()
    this.lastReadAt = now
    this.#binary = binary
    if (this.principal === undefined) this.#unauthenticatedBytes += bytes.length
    if (this.#unauthenticatedBytes > limits.unauthenticatedBytes) {
      this.fail(
        new ImError('TOO_LARGE', { detail: `At most ${limits.unauthenticatedBytes} bytes before CONNECT is accepted.` }),
        CLOSE.protocolError,
      )
      return
    }
    this.#parser ??= new StompParser({ limits, commands: CLIENT_COMMANDS })
    let items: readonly ParsedItem[]
    let fault: StompProtocolError | undefined
    try {
      items = this.#parser.push(bytes)
    } catch (error) {
      if (!(error instanceof StompProtocolError)) throw error
      items = error.before
      fault = error
    }
    if (!this.#inbound.allows(items, now)) {
      const detail = `At most ${limits.framesPerSecond} frames a second.`
      this.fail(new ImError('RATE_LIMITED', { detail, retryAfterMs: 1_000 }), CLOSE.flooding)
      return
    }
    this.#take(items)
    if (fault !== undefined) {
      const code = fault.kind === 'too-large' ? 'TOO_LARGE' : 'INVALID_REQUEST'
      this.fail(new ImError(code, { detail: fault.message }), CLOSE.protocolError)
    }
  }

  /** Lets go of what only an active connection needs. */
  rest(): void {
    if (this.#parser?.retainedBytes === 0) this.#parser = undefined
  }

  onPong(): void {
    this.lastReadAt = this.host.context.clock.monotonic()
  }

  onViolation(tooLarge: boolean): { readonly code: number; readonly reason: string } {
    const error = new ImError(tooLarge ? 'TOO_LARGE' : 'INVALID_REQUEST', {
      detail: tooLarge ? `A frame may have ${this.host.context.limits.frameBytes} bytes.` : 'The WebSocket frame is not well-formed.',
    })
    if (!this.#hasEnded) {
      this.#queueError(error)
      this.#end(CLOSE.protocolError, error.code)
    }
    return { code: this.#closeCode, reason: this.#closeReason }
  }

  onClose(code: number, reason: string): void {
    if (this.state === 'closed') return
    const ours = this.state === 'closing'
    this.state = 'closed'
    this.#inbox = undefined
    this.host.onClosed(this, ours ? this.#closeCode : code, ours ? this.#closeReason : reason)
  }

  /** Stops reading until `resume` has been called as often. While we pause it, the peer's silence does not count. */
  pause(): void {
    if (this.#pauses++ > 0) return
    this.#pausedAt = this.host.context.clock.monotonic()
    this.socket.pause()
  }

  resume(): void {
    if (--this.#pauses > 0) return
    this.lastReadAt = this.host.context.clock.monotonic()
    this.#inbound.excuse(this.lastReadAt - this.#pausedAt)
    const items = this.#inbox
    this.#inbox = undefined
    if (items !== undefined) this.#take(items)
    if (this.#pauses === 0) this.socket.resume()
  }

  deliver(message: LiveMessage): void {
    if (this.state !== 'open' || this.queue.lagging) return
    for (const subscription of this.subscriptions) {
      if (subscription.destination !== QUEUES.messages) continue
      const key = `${this.#binary ? 'b' : 't'}${subscription.ack} ${subscription.id}`
      let frame = message.frames.get(key)
      if (frame === undefined) {
        frame = this.socket.prepare(logFrame(subscription, message), this.#binary)
        message.frames.set(key, frame)
      }
      this.queue.pushLog(frame)
    }
    this.host.markDirty(this)
  }

  summarise(summary: Summary): void {
    this.event({ ...summary, event: 'summary' })
  }

  hint(key: string, json: string): void {
    const subscription = this.subscriptionTo(QUEUES.session)
    if (this.state !== 'open' || subscription === undefined) return
    this.queue.pushHint(key, this.#prepare(this.queued(subscription, json)))
    this.host.markDirty(this)
  }

  resync(spreadMs: number): void {
    const { clock, ids } = this.host.context
    clock.after(ids.random() * spreadMs, () => {
      if (!this.#hearsOfHoles()) {
        this.close(CLOSE.slowReader, 'resync')
        return
      }
      this.event({ event: 'resync' })
      this.reattach()
    })
  }

  /** Attaches again what still listens, until it succeeds. */
  reattach(): void {
    if (this.state === 'open' && this.subscriptionTo(QUEUES.messages) !== undefined) attachAgain(this)
  }

  /** Queues a session event that must not be lost, if the client listens to them. */
  event(event: NewSessionEvent): void {
    const subscription = this.subscriptionTo(QUEUES.session)
    if (subscription === undefined) return
    this.owe(this.queued(subscription, JSON.stringify({ ...event, at: this.host.context.clock.now() })))
  }

  subscriptionTo(destination: string): Subscription | undefined {
    return this.subscriptions.find((subscription) => subscription.destination === destination)
  }

  queued(subscription: Subscription, body: string): string {
    return queueFrame(subscription, `q:${++this.#messageId}`, body)
  }

  /** Queues an answer. */
  owe(frame: string): void {
    if (this.state === 'closed') return
    this.queue.pushOwed(this.#prepare(frame))
    this.host.markDirty(this)
  }

  /** Queues a hint frame on a queue other than `session`. */
  hintFrame(key: string, frame: string): void {
    this.queue.pushHint(key, this.#prepare(frame))
    this.host.markDirty(this)
  }

  heartBeat(): void {
    this.owe(heartBeatFrame)
  }

  /**
   * Refuses one request and lives on; a client that does not listen to `errors` gets ERROR and is closed (STOMP has
   * no other way to tell it).
   */
  refuse(
    error: unknown,
    about: { readonly receipt?: string | undefined; readonly msgId?: string | undefined; readonly destination?: string | undefined },
  ): void {
    if (this.state !== 'open') return
    const { ids, logger } = this.host.context
    const requestId = ids.uuid()
    const known = isImError(error) ? error : new ImError('INTERNAL', { cause: error })
    if (known.code === 'INTERNAL') logger.error({ err: error, requestId, destination: about.destination }, 'a frame could not be handled')
    const refusal = refusalOf(known, ERROR_TITLES[known.code], { ...about, requestId })
    const subscription = this.subscriptionTo(QUEUES.errors)
    if (subscription !== undefined) {
      this.owe(this.queued(subscription, JSON.stringify(refusal)))
      return
    }
    this.owe(errorFrame(refusal))
    this.close(closeCodeOf(known), known.code)
  }

  /** ERROR, then close: what cannot be lived with. `receipt` is that of the frame at fault, which will not come. */
  fail(error: ImError, code: number, about: { readonly receipt?: string | undefined; readonly headers?: ExtraHeaders } = {}): void {
    if (this.#hasEnded) return
    this.#queueError(error, about)
    this.close(code, error.code)
  }

  /** Closes after what is queued; the socket ends by force when the peer does not answer. */
  close(code: number, reason: string): void {
    if (this.#hasEnded) return
    this.#end(code, reason)
    this.socket.close(code, closeReason(reason))
  }

  /** Ends now: what the socket has not taken is lost. */
  cut(code: number, reason: string): void {
    this.close(code, reason)
    this.socket.terminate()
  }

  /** Hands the queue to the socket; the gateway calls it once per turn. */
  flush(): void {
    if (this.#hasEnded) return
    const outcome = this.queue.flush(this.socket, this.host.context.limits)
    this.lastWriteAt = this.host.context.clock.monotonic()
    if (outcome === 'overflow') this.close(CLOSE.slowReader, 'slow reader')
    else if (outcome === 'lag') this.lag()
  }

  /** The reader does not keep up: its messages are dropped and it pulls later, or it is closed. Never a hole it cannot see. */
  lag(): void {
    const { metrics } = this.host.context
    metrics.count('im_slow_readers')
    // Without the session queue it would hear neither of the lag nor of its end.
    if (!this.#hearsOfHoles()) {
      this.close(CLOSE.slowReader, 'slow reader')
      return
    }
    if (this.queue.lagging) return
    this.queue.lag()
    this.event({ event: 'lag' })
    this.socket.onceDrained(() => this.endLag())
  }

  /** Ends a lag once the socket has really taken everything. The sweep looks too: answers written meanwhile may have filled the socket again. */
  endLag(): void {
    if (this.state !== 'open' || !this.queue.lagging || this.socket.bufferedBytes > 0) return
    this.queue.catchUp()
    this.reattach()
  }

  get #hasEnded(): boolean {
    return this.state === 'closing' || this.state === 'closed'
  }

  /** The last flush: whatever it finds of the reader, the connection ends, and with this code. */
  #end(code: number, reason: string): void {
    this.state = 'closing'
    this.closingAt = this.host.context.clock.monotonic()
    this.#closeCode = code
    this.#closeReason = reason
    this.queue.flush(this.socket, this.host.context.limits)
  }

  /** Whether it can be told that messages were dropped, and of the end of that; any other client is closed instead. */
  #hearsOfHoles(): boolean {
    return this.toleratesLag && this.subscriptionTo(QUEUES.session) !== undefined
  }

  #take(items: readonly ParsedItem[]): void {
    for (let i = 0; i < items.length; i++) {
      if (this.#pauses > 0) {
        this.#inbox = [...(this.#inbox ?? []), ...items.slice(i)]
        return
      }
      const item = items[i] as ParsedItem
      if (item !== 'heartbeat') this.#handle(item)
      if (this.#hasEnded) return
    }
  }

  #handle(frame: Frame): void {
    try {
      handleFrame(this, frame)
    } catch (error) {
      this.refuse(error, { receipt: frame.headers.get('receipt'), destination: frame.headers.get('destination') })
    }
  }

  #queueError(error: ImError, about: { readonly receipt?: string | undefined; readonly headers?: ExtraHeaders } = {}): void {
    const { receipt, headers } = about
    const refusal = refusalOf(error, ERROR_TITLES[error.code], { receipt, requestId: this.host.context.ids.uuid() })
    this.queue.pushOwed(this.#prepare(errorFrame(refusal, headers)))
  }

  #prepare(frame: string): Uint8Array {
    return this.socket.prepare(frame, this.#binary)
  }
}

const heartBeatFrame = '\n'
