import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { until } from './im-server.js'

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** One keep-alive HTTP/1.1 connection, to which requests are written by hand. */
export class HttpConnection {
  readonly #socket: Socket
  #inbound = Buffer.alloc(0)
  hasEnded = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#inbound = Buffer.concat([this.#inbound, chunk])
    })
    socket.on('close', () => {
      this.hasEnded = true
    })
    socket.on('error', () => undefined)
  }

  static open(port: number, tls = false): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const opened = (): void => resolve(new HttpConnection(socket))
      const socket: Socket = tls
        ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, opened)
        : connect(port, '127.0.0.1', opened)
      socket.once('error', reject)
    })
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes)
  }

  /** The next answer on the connection. */
  async answer(timeoutMs = 5_000): Promise<RawAnswer> {
    let taken: RawAnswer | undefined
    const arrived = (): boolean => {
      taken = this.#take()
      return taken !== undefined || this.hasEnded
    }
    await until('an answer', arrived, timeoutMs)
    if (taken === undefined) throw new Error(`the connection ended after ${JSON.stringify(this.#inbound.toString('latin1'))}`)
    return taken
  }

  async request(bytes: string | Buffer): Promise<RawAnswer> {
    this.write(bytes)
    return this.answer()
  }

  end(): void {
    this.#socket.destroy()
  }

  #take(): RawAnswer | undefined {
    const headEnd = this.#inbound.indexOf('\r\n\r\n')
    if (headEnd < 0) return undefined
    const [statusLine = '', ...lines] = this.#inbound.toString('latin1', 0, headEnd).split('\r\n')
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const status = Number(statusLine.split(' ')[1])
    const rest = this.#inbound.subarray(headEnd + 4)
    const decoded = headers.get('transfer-encoding') === 'chunked' ? dechunk(rest) : plain(rest, Number(headers.get('content-length') ?? 0))
    if (decoded === undefined) return undefined
    this.#inbound = rest.subarray(decoded.length)
    return { status, headers, body: decoded.body }
  }
}

function plain(bytes: Buffer, length: number): { readonly body: string; readonly length: number } | undefined {
  return bytes.length < length ? undefined : { body: bytes.toString('utf8', 0, length), length }
}

function dechunk(bytes: Buffer): { readonly body: string; readonly length: number } | undefined {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (bytes.length < end + 2) return undefined
    parts.push(bytes.subarray(lineEnd + 2, end))
    at = end + 2
    if (size === 0) return { body: Buffer.concat(parts).toString(), length: at }
  }
}
