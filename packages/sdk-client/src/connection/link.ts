import { type IRawFrameType, Parser } from '@stomp/stompjs'
import { type Clock, type ErrorMessage, HEADERS, ImError, QUEUES, type Queue, STOMP_SUBPROTOCOL, STOMP_VERSION } from '@innerline/protocol'
import type { WebSocketLike } from '../api/options.js'
import { type Ending, endingOf, errorOf, parseJson } from '../failure.js'
import { present } from '../present.js'
import { createTimer } from '../timer.js'

/** What CONNECTED said. */
export interface Welcome {
  readonly userId: string
  readonly connectionId: string
  readonly epoch: number
  readonly windowMs: number
}

export interface LinkHandlers {
  /** CONNECTED came and the subscriptions are written: SENDs may follow. */
  opened(welcome: Welcome): void
  /** A MESSAGE on one of the queues, parsed. */
  message(queue: Queue, body: object): void
  receipt(id: string, headers: Readonly<Record<string, string>>): void
  /** The connection is over; told once, and never after `discard()`. */
  gone(ending: Ending): void
}

export interface LinkOptions {
  readonly socket: WebSocketLike
  readonly token: string
  readonly deviceId: string | undefined
  readonly clock: Clock
}

/** One connection from socket to end. */
export interface Link {
  /** Writes a SEND; false when the connection cannot take it. */
  send(destination: string, body: object, receipt?: string): boolean
  /** DISCONNECT, at most 2 s, then close; `gone` tells of the end. */
  end(): void
  /** Closes without waiting. No handler is called afterwards. */
  discard(): void
}

type Headers = Readonly<Record<string, string>>

export const CONNECT_TIMEOUT_MS = 10_000
/** The receipt of the messages subscription: it means that the server has attached this connection. */
const ATTACHED = 'm'
const DISCONNECT = 'DISCONNECT'
const END_MS = 2_000
const BEAT_MS = 10_000
/** Timers of hidden pages and slow networks are late; what is late by more than this many intervals does not come any more. */
const BEAT_TOLERANCE = 2.5
const OPEN = 1

// In the order they are made. The same ids for every client: the server then encodes a message's frame once for all its sockets.
const subscriptions: Readonly<Record<string, Queue>> = {
  e: QUEUES.errors,
  s: QUEUES.session,
  h: QUEUES.heartbeat,
  [ATTACHED]: QUEUES.messages,
}

/** Speaks STOMP over a fresh socket: stompjs' parser and a session of ours, as its own has timers of its own and reconnects by itself. */
export function openLink({ socket, token, deviceId, clock }: LinkOptions, handlers: LinkHandlers): Link {
  let connected = false
  let over = false
  let told: ImError | undefined
  let heard = clock.monotonic()
  const beats = createTimer(clock)
  const deadline = createTimer(clock)

  const finish = (ending: Ending) => {
    if (over) return
    discard()
    handlers.gone(ending)
  }
  const expire = (detail: string) => finish({ type: 'lost', error: new ImError('ACK_TIMEOUT', { detail }) })
  const discard = () => {
    if (over) return
    over = true
    deadline.stop()
    beats.stop()
    try {
      // The close of `ws` waits 30 s for a peer that may be gone, and keeps the process alive meanwhile.
      if (socket.terminate) socket.terminate()
      else socket.close()
    } catch {
      // Closing a socket that never opened throws in some runtimes; it is gone either way.
    }
  }
  const put = (text: string): boolean => {
    try {
      socket.send(text)
      return true
    } catch {
      return false
    }
  }
  // Values are constants, numbers and UUIDs, so nothing needs escaping; JSON has no NUL, so no length is needed.
  const write = (command: string, headers: Readonly<Record<string, string | undefined>>, body = ''): boolean => {
    const lines = Object.entries(present(headers)).map(([name, value]) => `${name}:${value}\n`)
    return put(`${command}\n${lines.join('')}\n${body}\0`)
  }
  const beat = (theirsMs: number, wantedMs: number) => {
    beats.start(BEAT_MS, () => {
      if (theirsMs && clock.monotonic() - heard > BEAT_TOLERANCE * Math.max(theirsMs, BEAT_MS)) return expire('the server fell silent')
      if (wantedMs) put('\n')
      beat(theirsMs, wantedMs)
    })
  }

  const welcome = (headers: Headers) => {
    connected = true
    deadline.start(CONNECT_TIMEOUT_MS, () => expire('no receipt'))
    const [theirsMs = 0, wantedMs = 0] = (headers['heart-beat'] ?? '').split(',').map(Number)
    beat(theirsMs, wantedMs)
    for (const [id, destination] of Object.entries(subscriptions)) {
      write('SUBSCRIBE', { id, destination, ack: 'auto', receipt: id === ATTACHED ? id : undefined })
    }
    handlers.opened({
      userId: headers[HEADERS.userName] ?? '',
      connectionId: headers['session'] ?? '',
      epoch: Number(headers[HEADERS.epoch]) || 0,
      windowMs: Number(headers[HEADERS.reconnectWindow]) || 1_000,
    })
  }
  const receive = ({ command, headers: lines, binaryBody }: IRawFrameType) => {
    if (over) return
    // Of a header that comes twice the first counts. None that is read here needs unescaping: ids of ours, numbers, a user id in CONNECTED.
    const headers: Headers = Object.fromEntries(lines.reverse())
    const value = parseJson<Partial<ErrorMessage>>(new TextDecoder().decode(binaryBody))
    if (command === 'MESSAGE') {
      const queue = subscriptions[headers['subscription'] ?? '']
      if (!queue || !value) return
      if (queue === QUEUES.errors && value.receipt === ATTACHED) finish({ type: 'lost', error: errorOf(value) })
      else handlers.message(queue, value)
    } else if (command === 'RECEIPT') {
      const id = headers['receipt-id'] ?? ''
      if (id === ATTACHED) deadline.stop()
      else if (id === DISCONNECT) socket.close()
      else handlers.receipt(id, headers)
    } else if (command === 'ERROR') told = errorOf(value ?? {})
    else if (command === 'CONNECTED' && !connected) welcome(headers)
  }
  const parser = new Parser(receive, () => {})
  const connect = () => {
    write('CONNECT', {
      'accept-version': STOMP_VERSION,
      'heart-beat': `${BEAT_MS},${BEAT_MS}`,
      // An empty token means that the page's cookie is to speak.
      [HEADERS.authorization]: token ? `Bearer ${token}` : undefined,
      [HEADERS.lag]: '1',
      [HEADERS.deviceId]: deviceId,
    })
  }
  deadline.start(CONNECT_TIMEOUT_MS, () => expire('no CONNECTED'))
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }: { readonly data: string | ArrayBuffer }) => {
    heard = clock.monotonic()
    parser.parseChunk(data)
  }
  socket.onclose = ({ code, reason = '' }: { readonly code: number; readonly reason?: string }) => finish(endingOf(code, reason, told))
  // The close that follows says all there is to know; but without a listener `ws` would throw.
  socket.onerror = () => {}
  if (socket.readyState === OPEN) connect()
  else socket.onopen = connect

  return {
    send(destination, body, receipt) {
      if (over || !connected || socket.readyState !== OPEN) return false
      return write('SEND', { destination, 'content-type': 'application/json', receipt }, JSON.stringify(body))
    },
    end() {
      connected = false
      deadline.start(END_MS, () => expire('no receipt'))
      write(DISCONNECT, { receipt: DISCONNECT })
    },
    discard,
  }
}

/** The socket of this runtime, or a sentence on how to bring one. */
export function openSocket(url: string, factory: ((url: string, protocols: string[]) => WebSocketLike) | undefined): WebSocketLike {
  if (factory) return factory(url, [STOMP_SUBPROTOCOL])
  const { WebSocket: Native } = globalThis as { WebSocket?: new (url: string, protocols: string[]) => WebSocketLike }
  if (!Native) {
    throw new ImError('UNSUPPORTED', {
      detail: 'no WebSocket: npm i ws, give option webSocket',
    })
  }
  return new Native(url, [STOMP_SUBPROTOCOL])
}
