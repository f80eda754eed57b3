import {
  CLIENT_COMMANDS,
  type Command,
  type Frame,
  type HeaderInput,
  SERVER_COMMANDS,
  serializeFrame,
  StompParser,
} from '@innerline/protocol'
import type { GatewaySocket, SocketListener } from '../../src/gateway/index.js'

const limits = { frameBytes: 16 * 1024 * 1024, headers: 64, headerLineBytes: 64 * 1024 }
const encoder = new TextEncoder()

/** One end of an in-memory wire: the server's socket on one side, a hand-driven STOMP client on the other. */
export class MemorySocket implements GatewaySocket {
  /** Everything the client has read, in order. */
  readonly received: Frame[] = []
  /** Line ends the client has read between frames. */
  heartBeats = 0
  pings = 0
  /** Close code and reason as the client saw them; 1006 when it was cut off. */
  closed: { readonly code: number; readonly reason: string } | undefined
  /** Server writes: each is one call of `write`, whatever the number of frames. */
  writes = 0
  isPaused = false
  /** Whether pings are answered. */
  answersPings = true
  readonly #parser = new StompParser({ limits, commands: SERVER_COMMANDS })
  #listener: SocketListener | undefined
  #reads = true
  #untaken: Uint8Array[] = []
  #untakenBytes = 0
  #closing: { readonly code: number; readonly reason: string } | undefined
  #drained: (() => void)[] = []
  /** What the client sent while the server did not read. */
  #inward: { readonly bytes: Uint8Array; readonly binary: boolean }[] = []

  listen(listener: SocketListener): void {
    this.#listener = listener
  }

  // --- the server's side

  prepare(frame: string, _binary: boolean): Uint8Array {
    return Buffer.from(frame)
  }

  write(frames: readonly Uint8Array[]): void {
    if (this.closed !== undefined || this.#closing !== undefined) return
    this.writes++
    for (const frame of frames) {
      this.#untaken.push(frame)
      this.#untakenBytes += frame.length
    }
    if (this.#reads) this.#takeAll()
  }

  get bufferedBytes(): number {
    return this.#untakenBytes
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    while (this.#inward.length > 0 && !this.isPaused) {
      const { bytes, binary } = this.#inward.shift() as { bytes: Uint8Array; binary: boolean }
      this.#listener?.onMessage(bytes, binary)
    }
  }

  ping(): void {
    this.pings++
    if (this.#reads && this.answersPings) setImmediate(() => this.#listener?.onPong())
  }

  onceDrained(fn: () => void): void {
    if (this.#untakenBytes === 0) setImmediate(fn)
    else this.#drained.push(fn)
  }

  close(code: number, reason: string): void {
    if (this.closed !== undefined || this.#closing !== undefined) return
    this.#closing = { code, reason }
    if (this.#reads) this.#end(this.#closing)
  }

  terminate(): void {
    this.#untaken = []
    this.#untakenBytes = 0
    this.#end({ code: 1006, reason: '' })
  }

  // --- the client's side

  /** Sends bytes as one WebSocket message. They wait while the server has paused reading, unless they were already under way. */
  raw(bytes: Uint8Array | string, options: { readonly binary?: boolean; readonly underWay?: boolean } = {}): void {
    if (this.closed !== undefined) return
    const message = { bytes: typeof bytes === 'string' ? encoder.encode(bytes) : bytes, binary: options.binary === true }
    if (this.isPaused && options.underWay !== true) this.#inward.push(message)
    else this.#listener?.onMessage(message.bytes, message.binary)
  }

  send(command: Command, headers: HeaderInput = {}, body: string | Uint8Array = ''): void {
    if (!CLIENT_COMMANDS.has(command)) throw new TypeError(`${command} is no client command.`)
    this.raw(serializeFrame(command, headers, body))
  }

  /** Stops reading: what the server writes piles up on its side. */
  stall(): void {
    this.#reads = false
  }

  /** Reads `bytes` of what has piled up. */
  read(bytes: number): void {
    while (this.#untaken.length > 0 && bytes > 0) {
      const [first] = this.#untaken as [Uint8Array, ...Uint8Array[]]
      const part = first.subarray(0, bytes)
      bytes -= part.length
      this.#untakenBytes -= part.length
      if (part.length === first.length) this.#untaken.shift()
      else this.#untaken[0] = first.subarray(part.length)
      this.#parse(part)
    }
    if (this.#untakenBytes === 0) this.#emptied()
  }

  /** Reads everything and goes on reading. */
  flow(): void {
    this.#reads = true
    this.#takeAll()
    if (this.#closing !== undefined) this.#end(this.#closing)
  }

  pong(): void {
    this.#listener?.onPong()
  }

  /** The peer goes away without a word. */
  drop(code = 1006): void {
    this.#end({ code, reason: '' })
  }

  /** Frames of a command, those with all of `headers` if given. */
  frames(command: Command, headers: Readonly<Record<string, string>> = {}): readonly Frame[] {
    return this.received.filter(
      (frame) => frame.command === command && Object.entries(headers).every(([name, value]) => frame.headers.get(name) === value),
    )
  }

  receipt(id: string): Frame | undefined {
    return this.frames('RECEIPT', { 'receipt-id': id })[0]
  }

  /** Bodies of the MESSAGEs on a queue. */
  bodies<T = Readonly<Record<string, unknown>>>(destination: string): readonly T[] {
    return this.frames('MESSAGE', { destination }).map((frame) => bodyOf<T>(frame))
  }

  /** The ERROR that ended the connection, its JSON taken apart. */
  get error(): Readonly<Record<string, unknown>> | undefined {
    const [frame] = this.frames('ERROR')
    return frame === undefined ? undefined : bodyOf(frame)
  }

  #takeAll(): void {
    const untaken = this.#untaken
    this.#untaken = []
    this.#untakenBytes = 0
    for (const bytes of untaken) this.#parse(bytes)
    this.#emptied()
  }

  #emptied(): void {
    const drained = this.#drained
    this.#drained = []
    for (const fn of drained) setImmediate(fn)
  }

  #parse(bytes: Uint8Array): void {
    for (const item of this.#parser.push(bytes.slice())) {
      if (item === 'heartbeat') this.heartBeats++
      else this.received.push(item)
    }
  }

  #end(seen: { readonly code: number; readonly reason: string }): void {
    if (this.closed !== undefined) return
    this.closed = seen
    setImmediate(() => this.#listener?.onClose(seen.code, seen.reason))
  }
}

/** A frame's JSON body. */
export const bodyOf = <T = Readonly<Record<string, unknown>>>(frame: Frame): T => JSON.parse(new TextDecoder().decode(frame.body)) as T
