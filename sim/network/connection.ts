import type { WebSocketLike } from '@innerline/sdk-client'
import type { GatewaySocket, SocketListener } from '../../packages/server-core/src/gateway/index.js'
import type { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import type { Scheduler } from '../core/scheduler.js'
import type { GivenOut } from './given-out.js'
import { type Conditions, Pipe } from './pipe.js'

/** How long a side waits for the other to finish closing, as the library does. */
const CLOSE_TIMEOUT_MS = 5_000
const CONTROL_BYTES = 4

/** Who hears of the end of a connection that breaks. */
export type Noticed = 'both' | 'client' | 'server' | 'nobody'

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3] as const

/** The client's side, as a browser's or the `ws` package's socket. */
export class ClientSocket implements WebSocketLike {
  binaryType = 'blob'
  readyState: number = CONNECTING
  onopen: ((event: never) => unknown) | null = null
  onmessage: ((event: never) => unknown) | null = null
  onclose: ((event: never) => unknown) | null = null
  onerror: ((event: never) => unknown) | null = null
  readonly url: string
  /** Only the sockets of Node's package can be ended without ceremony. */
  readonly terminate?: () => void
  wire: Wire | undefined

  constructor(url: string, canTerminate: boolean) {
    this.url = url
    if (canTerminate) this.terminate = () => (this.wire === undefined ? this.ended(1006, '') : this.wire.clientTerminates())
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState === CONNECTING) throw new Error('not open yet')
    if (this.readyState === OPEN) this.wire?.fromClient(typeof data === 'string' ? Buffer.from(data) : data)
  }

  close(): void {
    if (this.readyState >= CLOSING) return
    if (this.wire === undefined) this.ended(1006, '')
    else this.wire.clientCloses()
  }

  opened(): void {
    if (this.readyState !== CONNECTING) return
    this.readyState = OPEN
    this.onopen?.({} as never)
  }

  ended(code: number, reason: string): void {
    if (this.readyState === CLOSED) return
    this.readyState = CLOSED
    if (code === 1006) this.onerror?.({} as never)
    this.onclose?.({ code, reason, wasClean: code !== 1006 } as never)
  }
}

/** One WebSocket between a device and a node, with its two directions and its two ideas of whether it still lives. */
export class Wire implements GatewaySocket {
  readonly device: Process
  readonly node: Process
  readonly up: Pipe
  readonly down: Pipe
  readonly givenOut: GivenOut
  readonly #client: ClientSocket
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #onEnd: (wire: Wire) => void
  #listener: SocketListener | undefined
  #serverOver = false
  #serverClosing = false
  #broken = false
  #paused = false
  #inward: Uint8Array[] = []

  constructor(parts: {
    readonly client: ClientSocket
    readonly device: Process
    readonly node: Process
    readonly scheduler: Scheduler
    readonly random: Random
    readonly conditions: Conditions
    readonly givenOut: GivenOut
    readonly onEnd: (wire: Wire) => void
  }) {
    const { client, device, node, scheduler, random, conditions, givenOut, onEnd } = parts
    this.givenOut = givenOut
    this.#client = client
    this.device = device
    this.node = node
    this.#scheduler = scheduler
    this.#random = random
    this.#onEnd = onEnd
    this.up = new Pipe(scheduler, random, conditions, node)
    this.down = new Pipe(scheduler, random, conditions, device)
    client.wire = this
  }

  get isOver(): boolean {
    return this.#serverOver && this.#client.readyState === CLOSED
  }

  /** Whether the client takes it for alive though nothing gets through. */
  get isDeadUnnoticed(): boolean {
    return this.#broken && this.#client.readyState === OPEN
  }

  /** Whether both ends live and reach each other. */
  get isWhole(): boolean {
    return !this.#broken && !this.#serverOver && this.#client.readyState === OPEN
  }

  /** The node has answered the upgrade. */
  accepted(listener: SocketListener): void {
    this.#listener = listener
    this.down.send(CONTROL_BYTES, () => this.#client.opened())
  }

  // --- the node's side

  prepare(frame: string, _binary: boolean): Uint8Array {
    return Buffer.from(frame)
  }

  write(frames: readonly Uint8Array[]): void {
    if (this.#serverOver || this.#serverClosing) return
    if (this.bufferedBytes === 0) this.givenOut.drained()
    for (const frame of frames) {
      this.givenOut.write(frame)
      this.down.send(frame.length, () => {
        if (this.#client.readyState !== OPEN) return
        const data = frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.byteLength)
        this.#client.onmessage?.({ data } as never)
      })
    }
  }

  get bufferedBytes(): number {
    return this.down.bufferedBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#scheduler.at(this.#scheduler.now, this.node, () => this.#takeInward())
  }

  ping(): void {
    if (this.#serverOver || this.#serverClosing) return
    // Whatever runs the client answers by itself, as long as it runs.
    this.down.send(CONTROL_BYTES, () => {
      if (this.#client.readyState === OPEN) this.up.send(CONTROL_BYTES, () => this.#serverOver || this.#listener?.onPong())
    })
  }

  onceDrained(fn: () => void): void {
    // The last byte is taken in the device's process; the node hears of it in its own.
    this.down.whenDrained(() => void this.#scheduler.at(this.#scheduler.now, this.node, () => this.#serverOver || fn()))
  }

  close(code: number, reason: string): void {
    if (this.#serverOver || this.#serverClosing) return
    this.#serverClosing = true
    this.down.send(CONTROL_BYTES, () => this.#clientToldOfClose(code, reason))
    this.#scheduler.after(CLOSE_TIMEOUT_MS, this.node, () => this.terminate())
  }

  terminate(): void {
    if (this.#serverOver) return
    this.#breakOff(this.down, this.device, () => this.#client.ended(1006, ''))
    this.#scheduler.at(this.#scheduler.now, this.node, () => this.#serverEnds(1006, ''))
  }

  // --- the client's side

  fromClient(bytes: Uint8Array): void {
    this.up.send(bytes.length, () => {
      if (this.#serverOver) return
      if (this.#paused) this.#inward.push(bytes)
      else this.#listener?.onMessage(bytes, false)
    })
  }

  clientCloses(): void {
    this.#client.readyState = CLOSING
    this.up.send(CONTROL_BYTES, () => {
      if (this.#serverOver) return
      this.down.send(CONTROL_BYTES, () => this.#clientEnds(1005, ''))
      this.#serverEnds(1005, '')
    })
    this.#scheduler.after(CLOSE_TIMEOUT_MS, this.device, () => this.#clientEnds(1006, ''))
  }

  clientTerminates(): void {
    if (this.#client.readyState >= CLOSING) return
    this.#client.readyState = CLOSING
    this.#breakOff(this.up, this.node, () => this.#serverEnds(1006, ''))
    this.#scheduler.at(this.#scheduler.now, this.device, () => this.#clientEnds(1006, ''))
  }

  // --- what befalls it

  /** Breaks: what is under way is gone, and those who notice do so after a while of their own. */
  break(noticed: Noticed): void {
    this.#broken = true
    this.up.cut()
    this.down.cut()
    const soon = (): number => this.#random.exponential(20)
    if (noticed === 'both' || noticed === 'client') {
      this.#scheduler.after(soon(), this.device, () => this.#clientEnds(1006, ''))
    }
    if (noticed === 'both' || noticed === 'server') this.#scheduler.after(soon(), this.node, () => this.#serverEnds(1006, ''))
  }

  /** The process at one end has died: its kernel may still say so. */
  peerDied(which: 'device' | 'node', told: boolean): void {
    this.#broken = true
    this.up.cut()
    this.down.cut()
    if (which === 'device') {
      this.#client.readyState = CLOSED
      if (told) this.#scheduler.after(this.#random.exponential(20), this.node, () => this.#serverEnds(1006, ''))
    } else {
      this.#serverOver = true
      if (told) this.#scheduler.after(this.#random.exponential(20), this.device, () => this.#clientEnds(1006, ''))
    }
    this.#endIfOver()
  }

  /** Ended by one side: what it had written may or may not arrive first. */
  #breakOff(pipe: Pipe, to: Process, tell: () => void): void {
    if (this.#random.chance(0.5)) {
      pipe.send(CONTROL_BYTES, tell)
      return
    }
    pipe.cut()
    this.#scheduler.after(this.#random.exponential(20), to, tell)
  }

  #takeInward(): void {
    while (this.#inward.length > 0 && !this.#paused && !this.#serverOver) {
      this.#listener?.onMessage(this.#inward.shift() as Uint8Array, false)
    }
  }

  #clientToldOfClose(code: number, reason: string): void {
    this.up.send(CONTROL_BYTES, () => this.#serverEnds(code, reason))
    this.#clientEnds(code, reason)
  }

  #clientEnds(code: number, reason: string): void {
    this.#client.ended(code, reason)
    this.#endIfOver()
  }

  #serverEnds(code: number, reason: string): void {
    if (this.#serverOver) return
    this.#serverOver = true
    this.#listener?.onClose(code, reason)
    this.#endIfOver()
  }

  #endIfOver(): void {
    if (this.isOver) this.#onEnd(this)
  }
}
