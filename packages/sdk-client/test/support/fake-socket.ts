import type { WebSocketLike } from '../../src/index.js'

/** What the fake server holds of a connection. */
export interface ServerEnd {
  /** Hands the client a frame as text. */
  push(text: string): void
  /** Ends the connection as a network or a server would. */
  close(code: number, reason?: string): void
  /** From now on nothing gets through in either direction, and nobody is told. */
  freeze(): void
  readonly open: boolean
}

/** An in-memory WebSocket: what one end writes the other gets in a later microtask, in order. */
export class FakeSocket implements WebSocketLike {
  binaryType = 'blob'
  readyState = 0
  onopen: ((event: never) => unknown) | null = null
  onmessage: ((event: never) => unknown) | null = null
  onclose: ((event: never) => unknown) | null = null
  onerror: ((event: never) => unknown) | null = null
  private frozen = false

  constructor(
    readonly url: string,
    readonly protocols: string[],
    private readonly onText: (text: string) => void,
    private readonly onGone: () => void,
  ) {}

  readonly server: ServerEnd = ((socket: FakeSocket): ServerEnd => ({
    push: (text) => socket.later(() => socket.readyState === 1 && socket.onmessage?.({ data: text } as never)),
    close: (code, reason = '') => socket.later(() => socket.finish(code, reason)),
    freeze: () => {
      socket.frozen = true
    },
    get open() {
      return socket.readyState === 1
    },
  }))(this)

  /** The network lets the connection through. */
  accept(): void {
    this.later(() => {
      if (this.readyState !== 0) return
      this.readyState = 1
      this.onopen?.({} as never)
    })
  }
  send(data: string | Uint8Array): void {
    if (this.readyState !== 1) throw new Error('not open')
    const text = String(data)
    this.later(() => this.onText(text))
  }
  close(): void {
    if (this.readyState >= 2) return
    this.readyState = 2
    queueMicrotask(() => this.finish(1005, ''))
  }
  private later(fn: () => unknown): void {
    queueMicrotask(() => {
      if (!this.frozen) fn()
    })
  }
  private finish(code: number, reason: string): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.onGone()
    this.onclose?.({ code, reason, wasClean: true } as never)
  }
}
