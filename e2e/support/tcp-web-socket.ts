import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { frame, type Header, type RawFrame, takeApart } from '../stomp-conformance/raw-client.js'
import { until } from './im-server.js'

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameParts {
  readonly opcode: number
  readonly payload?: Buffer | string
  readonly fin?: boolean
  /** The three reserved bits, 0–7. */
  readonly reserved?: number
  readonly masked?: boolean
  /** Announced instead of the payload's own length. */
  readonly length?: number
}

/** A WebSocket client made of a TCP socket, which can therefore break RFC 6455 in any way, and stop reading. */
export class TcpWebSocket {
  readonly #socket: Socket
  #inbound = Buffer.alloc(0)
  /** STOMP frames that have come. */
  readonly frames: RawFrame[] = []
  pongs = 0
  /** The server's close frame. */
  closeCode: number | undefined
  /** Whether the TCP connection has ended. */
  hasEnded = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('close', () => {
      this.hasEnded = true
    })
    socket.on('error', () => undefined)
  }

  /** Opens a connection; rejects with the status line when it is not 101. */
  static async open(port: number, path = '/ws/chat'): Promise<TcpWebSocket> {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay()
    const head = await new Promise<Buffer>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('data', (chunk: Buffer) => resolve(chunk))
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n`,
      )
    })
    if (!head.toString('latin1').startsWith('HTTP/1.1 101')) {
      socket.destroy()
      throw new Error(head.toString('latin1').split('\r\n')[0])
    }
    const opened = new TcpWebSocket(socket)
    opened.#receive(head.subarray(head.indexOf('\r\n\r\n') + 4))
    return opened
  }

  /** Opens, connects as `user` and subscribes errors, session and messages, in this order. */
  static async connected(port: number, user: string, headers: readonly Header[] = []): Promise<TcpWebSocket> {
    const client = await TcpWebSocket.open(port)
    client.stomp('CONNECT', [['accept-version', '1.2'], ['Authorization', `Bearer ${user}`], ...headers])
    for (const queue of ['errors', 'session', 'messages']) {
      client.stomp('SUBSCRIBE', [
        ['id', queue],
        ['destination', `/user/queue/${queue}`],
        ['receipt', `sub-${queue}`],
      ])
    }
    await until(`${user} is attached`, () => client.receipt('sub-messages') !== undefined)
    return client
  }

  stomp(command: string, headers: readonly Header[] = [], body = ''): void {
    this.send({ opcode: OPCODE.text, payload: frame(command, headers, body) })
  }

  send({ opcode, payload = '', fin = true, reserved = 0, masked = true, length }: FrameParts): void {
    const bytes = Buffer.isBuffer(payload) ? Buffer.from(payload) : Buffer.from(payload)
    const announced = length ?? bytes.length
    const size = announced < 126 ? 2 : announced < 65_536 ? 4 : 10
    const head = Buffer.alloc(size + (masked ? 4 : 0))
    head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode
    if (size === 2) head[1] = announced
    else if (size === 4) {
      head[1] = 126
      head.writeUInt16BE(announced, 2)
    } else {
      head[1] = 127
      head.writeBigUInt64BE(BigInt(announced), 2)
    }
    if (masked) {
      head[1] = (head[1] as number) | 0x80
      const mask = randomBytes(4)
      mask.copy(head, size)
      for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ (mask[i % 4] as number)
    }
    this.raw(Buffer.concat([head, bytes]))
  }

  /** Writes bytes as they are. */
  raw(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes)
  }

  /** Bytes the server has not taken. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.destroy()
  }

  receipt(id: string): RawFrame | undefined {
    return this.frames.find(({ command, headers }) => command === 'RECEIPT' && headers.get('receipt-id') === id)
  }

  get error(): RawFrame | undefined {
    return this.frames.find(({ command }) => command === 'ERROR')
  }

  /** Bodies of the MESSAGEs of a subscription. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the body is said to have
  bodies(subscription: string): any[] {
    return this.frames
      .filter(({ command, headers }) => command === 'MESSAGE' && headers.get('subscription') === subscription)
      .map(({ body }) => JSON.parse(body) as unknown)
  }

  #receive(chunk: Buffer): void {
    this.#inbound = Buffer.concat([this.#inbound, chunk])
    for (;;) {
      const bytes = this.#inbound
      if (bytes.length < 2) return
      const short = (bytes[1] as number) & 0x7f
      const size = short < 126 ? 2 : short === 126 ? 4 : 10
      if (bytes.length < size) return
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
      if (bytes.length < size + length) return
      const payload = bytes.subarray(size, size + length)
      this.#inbound = bytes.subarray(size + length)
      const opcode = (bytes[0] as number) & 0x0f
      if (opcode === OPCODE.close) {
        this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
        this.send({ opcode: OPCODE.close, payload: payload.subarray(0, 2) })
      } else if (opcode === OPCODE.ping) this.send({ opcode: OPCODE.pong, payload })
      else if (opcode === OPCODE.pong) this.pongs++
      else this.frames.push(...takeApart(payload).frames)
    }
  }
}
