import type { Lifecycle, WebSocketLike } from '@innerline/sdk-client'
import { Cell } from './dom.js'
import { type Copies, FaultySocket, type Traffic } from './faulty-socket.js'
import { msgIdOfBody, stompHead } from './stomp-head.js'

/** Faults that wait for the next frame of their kind. */
export const ONE_SHOTS = ['cut', 'lose-receipt', 'lose-ack', 'lose-message', 'duplicate'] as const
export type OneShot = (typeof ONE_SHOTS)[number]

export interface FaultState {
  readonly offline: boolean
  readonly delayMs: number
  readonly armed: ReadonlySet<OneShot>
}

/** What the wrapper did to the traffic and what it saw of it. Messages are named by msgId or `conversationId:seq`, never by text. */
export type NetworkEvent =
  | { readonly type: 'socket-open' | 'dropped' | 'offline' | 'online' | 'lost-ack' | 'ack' }
  | { readonly type: 'socket-closed'; readonly code: number }
  | { readonly type: 'armed' | 'disarmed'; readonly fault: OneShot }
  | { readonly type: 'delay'; readonly ms: number }
  | { readonly type: 'lost-message' | 'duplicated'; readonly at: string }
  | { readonly type: 'lost-receipt' | 'cut'; readonly msgId: string }
  | { readonly type: 'send'; readonly msgId: string; readonly attempt: number }
  | { readonly type: 'receipt'; readonly msgId: string; readonly seq: string; readonly duplicate: boolean }
  | { readonly type: 'fetch'; readonly method: string; readonly path: string; readonly status?: number }

export interface RealNetwork {
  webSocket(url: string, protocols: string[]): WebSocketLike
  fetch: typeof fetch
  /** Calls back when the browser says that the network or the page is back. */
  watch: Lifecycle['watch']
  isOnline(): boolean
}

/** Time between a send and the cut: long enough for the server to commit it, so that only the answer is lost. */
const CUT_AFTER_MS = 250

/** A network that can be broken on purpose: the SDK's options `webSocket`, `fetch` and `lifecycle`, with switches. */
export class FaultyNetwork {
  readonly state = new Cell<FaultState>({ offline: false, delayMs: 0, armed: new Set() })
  readonly #real: RealNetwork
  readonly #report: (event: NetworkEvent) => void
  readonly #sockets = new Set<FaultySocket>()
  readonly #attempts = new Map<string, number>()
  readonly #wakers = new Set<() => void>()
  readonly #traffic: Traffic

  constructor(real: RealNetwork, report: (event: NetworkEvent) => void) {
    this.#real = real
    this.#report = report
    this.#traffic = {
      inbound: (data) => this.#inbound(data),
      outbound: (data, socket) => this.#outbound(data, socket),
      delayMs: () => this.state.getSnapshot().delayMs,
      opened: () => report({ type: 'socket-open' }),
      closed: (socket, code) => {
        if (this.#sockets.delete(socket)) report({ type: 'socket-closed', code })
      },
    }
  }

  readonly webSocket = (url: string, protocols: string[]): WebSocketLike => {
    if (this.state.getSnapshot().offline) return new FaultySocket(url, undefined, this.#traffic)
    const socket = new FaultySocket(url, this.#real.webSocket(url, protocols), this.#traffic)
    this.#sockets.add(socket)
    return socket
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const method = init?.method ?? 'GET'
    const path = pathOf(input)
    if (this.state.getSnapshot().offline) {
      this.#report({ type: 'fetch', method, path })
      throw new TypeError('Failed to fetch')
    }
    const { delayMs } = this.state.getSnapshot()
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    try {
      const response = await this.#real.fetch(input, init)
      this.#report({ type: 'fetch', method, path, status: response.status })
      return response
    } catch (error) {
      this.#report({ type: 'fetch', method, path })
      throw error
    }
  }

  readonly lifecycle: Lifecycle = {
    watch: (onWake) => {
      this.#wakers.add(onWake)
      const undo = this.#real.watch(onWake)
      return () => {
        this.#wakers.delete(onWake)
        undo()
      }
    },
  }

  /** False where there certainly is no network, switched off here or by the browser. */
  isOnline(): boolean {
    return !this.state.getSnapshot().offline && this.#real.isOnline()
  }

  /** Breaks every open connection; the network itself stays. */
  drop(): void {
    this.#report({ type: 'dropped' })
    for (const socket of [...this.#sockets]) socket.drop()
  }

  /** Offline: connections break, new ones and requests fail. Online again: the SDK is told, as a browser would. */
  setOffline(offline: boolean): void {
    if (this.state.getSnapshot().offline === offline) return
    this.#set({ offline })
    this.#report({ type: offline ? 'offline' : 'online' })
    if (offline) for (const socket of [...this.#sockets]) socket.drop()
    else this.wake()
  }

  /** Tells the SDK to look whether the network is there, now. */
  wake(): void {
    for (const waker of [...this.#wakers]) waker()
  }

  /** Arms a fault for the next frame of its kind, or calls it off. */
  toggle(fault: OneShot): void {
    const armed = new Set(this.state.getSnapshot().armed)
    const on = !armed.delete(fault)
    if (on) armed.add(fault)
    this.#set({ armed })
    this.#report({ type: on ? 'armed' : 'disarmed', fault })
  }

  /** Lets every frame and request take this long in addition. */
  setDelay(delayMs: number): void {
    this.#set({ delayMs })
    this.#report({ type: 'delay', ms: delayMs })
  }

  #set(change: Partial<FaultState>): void {
    this.state.set({ ...this.state.getSnapshot(), ...change })
  }

  /** Whether `fault` was armed; it is not any more. */
  #take(fault: OneShot): boolean {
    const armed = new Set(this.state.getSnapshot().armed)
    if (!armed.delete(fault)) return false
    this.#set({ armed })
    return true
  }

  #inbound(data: unknown): Copies {
    const head = stompHead(data)
    // Only a send's receipt names a message; those of subscriptions and acknowledgements are left alone.
    const msgId = head?.command === 'RECEIPT' ? head.headers.get('msg-id') : undefined
    if (msgId !== undefined) {
      if (this.#take('lose-receipt')) {
        this.#report({ type: 'lost-receipt', msgId })
        return 0
      }
      const duplicate = head?.headers.get('duplicate') === 'true'
      this.#report({ type: 'receipt', msgId, seq: head?.headers.get('seq') ?? '?', duplicate })
      this.#attempts.delete(msgId)
    }
    if (head?.command !== 'MESSAGE' || head.headers.get('destination') !== '/user/queue/messages') return 1
    const at = head.headers.get('message-id') ?? '?'
    if (this.#take('lose-message')) {
      this.#report({ type: 'lost-message', at })
      return 0
    }
    if (!this.#take('duplicate')) return 1
    this.#report({ type: 'duplicated', at })
    return 2
  }

  #outbound(data: unknown, socket: FaultySocket): Copies {
    const head = stompHead(data)
    const destination = head?.command === 'SEND' ? head.headers.get('destination') : undefined
    if (destination === '/app/chat.ack') {
      const lost = this.#take('lose-ack')
      this.#report({ type: lost ? 'lost-ack' : 'ack' })
      return lost ? 0 : 1
    }
    if (destination !== '/app/chat.sendMessage') return 1
    const msgId = msgIdOfBody(data) ?? '?'
    const attempt = (this.#attempts.get(msgId) ?? 0) + 1
    this.#attempts.set(msgId, attempt)
    this.#report({ type: 'send', msgId, attempt })
    if (this.#take('cut')) {
      this.#report({ type: 'cut', msgId })
      socket.goDeaf()
      setTimeout(() => socket.drop(), CUT_AFTER_MS)
    }
    return 1
  }
}

function pathOf(input: Parameters<typeof fetch>[0]): string {
  const address = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url
  // Only the path: queries may hold what somebody searched for.
  return new URL(address, 'http://localhost').pathname
}
