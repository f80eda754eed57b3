import { Client, type IFrame, Versions } from '@stomp/stompjs'
import { type Clock, HEADERS, ImError, QUEUES, type Queue, type ErrorMessage, STOMP_SUBPROTOCOL } from '@innerline/protocol'
import type { WebSocketLike } from '../api/options.js'
import { type Ending, endingOf, errorOf, parseJson } from '../failure.js'

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

export const CONNECT_TIMEOUT_MS = 10_000
/** The receipt of the messages subscription: it means that the server has attached this connection. */
const ATTACHED = 'm'
const BEAT_MS = 10_000

// The same ids for every client: the server then encodes a message's frame once for all its sockets.
const subscriptions: readonly [Queue, string][] = [
  [QUEUES.errors, 'e'],
  [QUEUES.session, 's'],
  [QUEUES.heartbeat, 'h'],
  [QUEUES.messages, ATTACHED],
]

/** Speaks STOMP over a fresh socket. One stompjs client per connection, as its own reconnecting dies of a rejected token call. */
export function openLink({ socket, token, deviceId, clock }: LinkOptions, handlers: LinkHandlers): Link {
  let over = false
  let told: ImError | undefined
  let cancelTimer = clock.after(CONNECT_TIMEOUT_MS, () => expire('no CONNECTED in time'))

  const finish = (ending: Ending) => {
    if (over) return
    discard()
    handlers.gone(ending)
  }
  const expire = (detail: string) => finish({ type: 'lost', error: new ImError('ACK_TIMEOUT', { detail }) })
  const discard = () => {
    over = true
    cancelTimer()
    // Rejections of a library's own promise must not reach the process.
    client.deactivate({ force: true }).catch(() => {})
    try {
      socket.close()
    } catch {
      // Closing a socket that never opened throws in some runtimes; it is gone either way.
    }
  }

  const client = new Client({
    webSocketFactory: () => socket as never,
    stompVersions: new Versions([Versions.V1_2]),
    reconnectDelay: 0,
    heartbeatIncoming: BEAT_MS,
    heartbeatOutgoing: BEAT_MS,
    heartbeatToleranceMultiplier: 2.5,
    discardWebsocketOnCommFailure: true,
    connectHeaders: {
      // An empty token means that the page's cookie is to speak.
      ...(token ? { [HEADERS.authorization]: `Bearer ${token}` } : {}),
      [HEADERS.lag]: '1',
      ...(deviceId === undefined ? {} : { [HEADERS.deviceId]: deviceId }),
    },
    onConnect: ({ headers }: IFrame) => {
      if (over) return
      cancelTimer()
      cancelTimer = clock.after(CONNECT_TIMEOUT_MS, () => expire('the server did not attach the connection in time'))
      for (const [queue, id] of subscriptions) {
        client.subscribe(queue, (frame) => receive(queue, frame), id === ATTACHED ? { id, ack: 'auto', receipt: id } : { id, ack: 'auto' })
      }
      handlers.opened({
        userId: headers[HEADERS.userName] ?? '',
        connectionId: headers['session'] ?? '',
        epoch: Number(headers[HEADERS.epoch]) || 0,
        windowMs: Number(headers[HEADERS.reconnectWindow]) || 1_000,
      })
    },
    onUnhandledReceipt: ({ headers }) => {
      if (over) return
      const id = headers['receipt-id'] ?? ''
      if (id === ATTACHED) cancelTimer()
      else handlers.receipt(id, headers)
    },
    onStompError: ({ headers, body }) => {
      const answer = parseJson<ErrorMessage>(body) ?? { code: (headers['code'] ?? headers['message']) as ErrorMessage['code'] }
      told = errorOf(answer)
    },
    onWebSocketClose: ({ code, reason = '' }: { readonly code: number; readonly reason?: string }) => finish(endingOf(code, reason, told)),
  })
  const receive = (queue: Queue, { body }: IFrame) => {
    const value = parseJson<object>(body)
    if (over || value === undefined) return
    const { receipt } = value as Partial<ErrorMessage>
    if (queue === QUEUES.errors && receipt === ATTACHED) return finish({ type: 'lost', error: errorOf(value) })
    handlers.message(queue, value)
  }
  // Closed before stompjs has its own in place, a socket of `ws` would raise an error nobody listens to.
  socket.onerror = () => {}
  client.activate()

  return {
    send(destination, body, receipt) {
      if (over || !client.connected) return false
      try {
        client.publish({
          destination,
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json', ...(receipt === undefined ? {} : { receipt }) },
        })
        return true
      } catch {
        return false
      }
    },
    end() {
      cancelTimer()
      cancelTimer = clock.after(2_000, () => finish({ type: 'lost', error: new ImError('OFFLINE') }))
      client.deactivate().catch(() => {})
    },
    discard() {
      if (!over) discard()
    },
  }
}

/** The socket of this runtime, or a sentence on how to bring one. */
export function openSocket(url: string, factory: ((url: string, protocols: string[]) => WebSocketLike) | undefined): WebSocketLike {
  if (factory) return factory(url, [STOMP_SUBPROTOCOL])
  const { WebSocket: Native } = globalThis as { WebSocket?: new (url: string, protocols: string[]) => WebSocketLike }
  if (!Native) {
    throw new ImError('UNSUPPORTED', {
      detail: 'this runtime has no WebSocket: npm i ws, and give the option webSocket: (url, protocols) => new WebSocket(url, protocols)',
    })
  }
  return new Native(url, [STOMP_SUBPROTOCOL])
}
