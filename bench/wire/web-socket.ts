import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export interface WebSocketListener {
  /** The server has answered 101. Its first messages may follow before anyone who awaits {@link WebSocketSink.open} runs. */
  opened(sink: WebSocketSink): void
  /** One text or binary message: `bytes[start, end)`. The bytes are gone when this returns. */
  message(bytes: Buffer, start: number, end: number): void
  /** The connection ended without {@link WebSocketSink.close}. */
  lost(reason: string): void
}

export interface Upgrade {
  readonly port: number
  readonly path: string
  readonly protocol?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
}

const TEXT = 0x1
const BINARY = 0x2
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa

// One buffer for all sockets: a chunk is used up before the next is read, and a thousand sinks then cost no allocation per read.
const shared = Buffer.allocUnsafe(256 * 1024)

/**
 * A WebSocket client on a bare TCP socket that walks frames where they lie. A generator that costs more than the server under test
 * measures itself; this one takes a fraction of what `ws` takes.
 */
export class WebSocketSink {
  readonly #socket: Socket
  readonly #listener: WebSocketListener
  #rest: Buffer | undefined
  #open: ((error?: Error) => void) | undefined
  #closed = false

  private constructor(upgrade: Upgrade, listener: WebSocketListener, opened: (error?: Error) => void) {
    this.#listener = listener
    this.#open = opened
    const onread = { buffer: shared, callback: (length: number, bytes: Uint8Array) => this.#read(bytes as Buffer, length) }
    this.#socket = connect({ port: upgrade.port, host: '127.0.0.1', noDelay: true, onread })
    this.#socket.on('error', (error) => this.#end(error.message))
    this.#socket.on('close', () => this.#end('the connection was closed'))
    this.#socket.write(handshake(upgrade))
  }

  /** Resolves when the server has answered 101; rejects when it answers anything else or the connection fails before. */
  static open(upgrade: Upgrade, listener: WebSocketListener): Promise<WebSocketSink> {
    return new Promise((resolve, reject) => {
      const sink: WebSocketSink = new WebSocketSink(upgrade, listener, (error) => (error === undefined ? resolve(sink) : reject(error)))
    })
  }

  /** Sends one text message. */
  send(text: string): void {
    this.#write(TEXT, Buffer.from(text))
  }

  /** Resets the connection, so that thousands of them leave no TIME_WAIT behind. Nothing is reported afterwards. */
  close(): void {
    this.#closed = true
    this.#socket.resetAndDestroy()
  }

  #write(opcode: number, payload: Buffer): void {
    const { length } = payload
    const extended = length < 126 ? 0 : length < 65536 ? 2 : 8
    const frame = Buffer.allocUnsafe(6 + extended + length)
    frame[0] = 0x80 | opcode
    frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127)
    if (extended === 2) frame.writeUInt16BE(length, 2)
    if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2)
    // A zero mask would spare the server its unmasking, which no browser does.
    const at = 2 + extended
    frame.writeUInt32BE((Math.random() * 0xffffffff) >>> 0 || 1, at)
    for (let i = 0; i < length; i++) frame[at + 4 + i] = (payload[i] as number) ^ (frame[at + (i & 3)] as number)
    this.#socket.write(frame)
  }

  #read(chunk: Buffer, length: number): boolean {
    try {
      let bytes = chunk
      let end = length
      if (this.#rest !== undefined) {
        bytes = Buffer.concat([this.#rest, chunk.subarray(0, length)])
        end = bytes.length
        this.#rest = undefined
      }
      const start = this.#open === undefined ? 0 : this.#readAnswer(bytes, end)
      const at = start < 0 ? 0 : this.#readFrames(bytes, start, end)
      if (at < end) this.#rest = Buffer.from(bytes.subarray(at, end))
    } catch (error) {
      this.#end(String(error))
      this.close()
    }
    return true
  }

  /** Offset behind the answer to the upgrade, or -1 while it is incomplete. */
  #readAnswer(bytes: Buffer, end: number): number {
    const blank = bytes.subarray(0, end).indexOf('\r\n\r\n')
    if (blank < 0) return -1
    const status = bytes.toString('latin1', 0, bytes.indexOf('\r\n'))
    if (!status.startsWith('HTTP/1.1 101 ')) throw new Error(`the upgrade was answered with ${status}`)
    this.#listener.opened(this)
    this.#open?.()
    this.#open = undefined
    return blank + 4
  }

  #readFrames(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (end - at >= 2) {
      const first = bytes[at] as number
      let length = (bytes[at + 1] as number) & 0x7f
      let payload = at + 2
      if (length === 126) {
        if (end - at < 4) break
        length = bytes.readUInt16BE(payload)
        payload += 2
      } else if (length === 127) {
        if (end - at < 10) break
        length = Number(bytes.readBigUInt64BE(payload))
        payload += 8
      }
      if (end - payload < length) break
      at = payload + length
      if ((first & 0x80) === 0) throw new Error('the server sent a fragment')
      this.#take(first & 0x0f, bytes, payload, at)
    }
    return at
  }

  #take(opcode: number, bytes: Buffer, start: number, end: number): void {
    if (opcode === TEXT || opcode === BINARY) this.#listener.message(bytes, start, end)
    else if (opcode === PING) this.#write(PONG, bytes.subarray(start, end))
    else if (opcode === CLOSE) {
      const code = end - start < 2 ? 'no code' : bytes.readUInt16BE(start)
      this.#end(`the server closed with ${code} ${bytes.toString('utf8', start + 2, end)}`)
    }
  }

  #end(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    // A socket the server has half closed would stay open until somebody ends the other half.
    this.#socket.destroy()
    if (this.#open !== undefined) this.#open(new Error(reason))
    else this.#listener.lost(reason)
  }
}

function handshake({ port, path, protocol, headers = {} }: Upgrade): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}
