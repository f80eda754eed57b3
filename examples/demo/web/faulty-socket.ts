import type { WebSocketLike } from '@innerline/sdk-client'

/** What happens to a frame: how many copies of it arrive. */
export type Copies = 0 | 1 | 2

export interface Traffic {
  inbound(data: unknown): Copies
  outbound(data: unknown, socket: FaultySocket): Copies
  /** Ms that every frame takes in addition. */
  delayMs(): number
  opened(): void
  closed(socket: FaultySocket, code: number): void
}

/** No close frame was seen: what browsers report for a lost network (RFC 6455 §7.1.5). */
const ABNORMAL = 1006
const CLOSED = 3

/** A WebSocket between the SDK and the real one, where frames can be lost, repeated and held up. Order is kept, as TCP keeps it. */
export class FaultySocket implements WebSocketLike {
  onopen: ((event: never) => unknown) | null = null
  onmessage: ((event: never) => unknown) | null = null
  onclose: ((event: never) => unknown) | null = null
  onerror: ((event: never) => unknown) | null = null
  readonly url: string
  readonly #inner: WebSocketLike | undefined
  readonly #traffic: Traffic
  readonly #in: Lane
  readonly #out: Lane
  #deaf = false
  #closed = false

  /** `inner` undefined: a network that is not there; the socket fails by itself in a moment. */
  constructor(url: string, inner: WebSocketLike | undefined, traffic: Traffic) {
    this.url = url
    this.#inner = inner
    this.#traffic = traffic
    this.#in = new Lane(() => traffic.delayMs())
    this.#out = new Lane(() => traffic.delayMs())
    if (inner === undefined) {
      setTimeout(() => this.drop(), 20)
      return
    }
    inner.onopen = (event) => {
      traffic.opened()
      this.onopen?.(event)
    }
    inner.onerror = (event) => this.onerror?.(event)
    inner.onmessage = (event: { readonly data: unknown }) => this.#receive(event)
    inner.onclose = (event: { readonly code: number }) => this.#in.push(() => this.#end(event, event.code))
  }

  get binaryType(): string {
    return this.#inner?.binaryType ?? 'arraybuffer'
  }

  set binaryType(value: string) {
    if (this.#inner !== undefined) this.#inner.binaryType = value
  }

  get readyState(): number {
    return this.#closed ? CLOSED : (this.#inner?.readyState ?? 0)
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    const copies = this.#traffic.outbound(data, this)
    for (let copy = 0; copy < copies; copy += 1)
      this.#out.push(() => {
        if (!this.#closed && this.#inner?.readyState === 1) this.#inner.send(data)
      })
  }

  close(code?: number, reason?: string): void {
    if (this.#closed) return
    if (this.#inner === undefined) this.drop()
    else this.#out.push(() => this.#inner?.close(code, reason))
  }

  /** From now on nothing arrives any more, although the connection seems to live. */
  goDeaf(): void {
    this.#deaf = true
  }

  /** Breaks the connection as a lost network does: without a close frame, with what is on the way lost. */
  drop(): void {
    if (this.#closed) return
    if (this.#inner !== undefined) {
      this.#inner.onopen = this.#inner.onmessage = this.#inner.onclose = this.#inner.onerror = null
      this.#inner.close()
    }
    this.onerror?.({ type: 'error' } as never)
    this.#end({ type: 'close', code: ABNORMAL, reason: '', wasClean: false }, ABNORMAL)
  }

  #receive(event: { readonly data: unknown }): void {
    if (this.#deaf) return
    const copies = this.#traffic.inbound(event.data)
    for (let copy = 0; copy < copies; copy += 1)
      this.#in.push(() => {
        if (!this.#closed && !this.#deaf) this.onmessage?.(event as never)
      })
  }

  #end(event: object, code: number): void {
    if (this.#closed) return
    this.#closed = true
    this.#in.clear()
    this.#out.clear()
    this.#traffic.closed(this, code)
    this.onclose?.(event as never)
  }
}

/** Runs what is pushed in order, each after the delay of its time; at once when there is no delay and nothing waits. */
class Lane {
  readonly #delayMs: () => number
  #waiting: { readonly at: number; readonly run: () => void }[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(delayMs: () => number) {
    this.#delayMs = delayMs
  }

  push(run: () => void): void {
    const delay = this.#delayMs()
    if (delay === 0 && this.#waiting.length === 0) return run()
    this.#waiting.push({ at: performance.now() + delay, run })
    this.#arm()
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#waiting = []
  }

  #arm(): void {
    const first = this.#waiting[0]
    if (first === undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#waiting.shift()?.run()
        this.#arm()
      },
      Math.max(0, first.at - performance.now()),
    )
  }
}
