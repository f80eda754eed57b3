import { type RawData, WebSocket } from 'ws'

/** A header as it stands on the wire: nothing is escaped or unescaped here, so that cases decide every byte. */
export type Header = readonly [name: string, value: string]

/** A frame as it came. Where a header came twice, the first one. */
export interface RawFrame {
  readonly command: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Writes a frame by hand, without escaping, without content-length, without checking anything. */
export const frame = (command: string, headers: readonly Header[] = [], body = ''): string =>
  `${[command, ...headers.map(([name, value]) => `${name}:${value}`)].join('\n')}\n\n${body}\0`

const show = (received: RawFrame): string =>
  `${received.command} ${JSON.stringify(Object.fromEntries(received.headers))} ${received.body.slice(0, 200)}`

const NUL = 0
const LF = 10
const CR = 13

/** Takes what one WebSocket message holds apart; throws a sentence when it is not frames and line ends. */
export function takeApart(bytes: Buffer): { frames: RawFrame[]; beats: number } {
  const frames: RawFrame[] = []
  let beats = 0
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)) {
      at += bytes[at] === LF ? 1 : 2
      beats++
      continue
    }
    const lines: string[] = []
    for (;;) {
      const end = bytes.indexOf(LF, at)
      if (end < 0) throw new Error('a message of the server holds a frame without a blank line')
      const line = bytes.toString('utf8', at, bytes[end - 1] === CR && end > at ? end - 1 : end)
      at = end + 1
      if (line === '') break
      lines.push(line)
    }
    const headers = new Map<string, string>()
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':')
      if (colon < 1) throw new Error(`the server sent a header without a name or a colon: ${JSON.stringify(line)}`)
      if (!headers.has(line.slice(0, colon))) headers.set(line.slice(0, colon), line.slice(colon + 1))
    }
    const length = headers.get('content-length')
    if (length !== undefined && !/^\d+$/.test(length)) throw new Error(`the server sent content-length:${length}`)
    const bodyEnd = length === undefined ? bytes.indexOf(NUL, at) : at + Number(length)
    if (bodyEnd < 0 || bytes[bodyEnd] !== NUL) throw new Error('a message of the server holds a frame that no NUL ends')
    frames.push({ command: lines[0] as string, headers, body: bytes.toString('utf8', at, bodyEnd) })
    at = bodyEnd + 1
  }
  return { frames, beats }
}

export interface OpenOptions {
  readonly protocols?: readonly string[]
  /** Whether WebSocket pings are answered. */
  readonly pongs?: boolean
}

/** One WebSocket connection: sends bytes as they are given, keeps what comes until a case takes it. */
export class RawConnection {
  readonly #socket: WebSocket
  readonly #timeoutMs: number
  readonly #unread: RawFrame[] = []
  readonly #waiting = new Set<() => void>()
  /** WebSocket messages of the server that were not exactly one STOMP frame or one line end. */
  readonly irregular: string[] = []
  beats = 0
  closed: { readonly code: number; readonly reason: string } | undefined

  private constructor(socket: WebSocket, timeoutMs: number) {
    this.#socket = socket
    this.#timeoutMs = timeoutMs
    socket.on('message', (data: RawData) => {
      this.#receive(Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data))
      this.#wake()
    })
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() }
      this.#wake()
    })
    // A close follows, and says what the case needs to know.
    socket.on('error', () => undefined)
  }

  /** Opens a connection; rejects when the server refuses the upgrade or does not answer in time. */
  static open(url: string, timeoutMs: number, options: OpenOptions = {}): Promise<RawConnection> {
    const socket = new WebSocket(url, [...(options.protocols ?? ['v12.stomp'])], {
      handshakeTimeout: timeoutMs,
      perMessageDeflate: false,
      autoPong: options.pongs ?? true,
    })
    const connection = new RawConnection(socket, timeoutMs)
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(connection))
      socket.once('error', reject)
    })
  }

  /** The subprotocol the server chose. */
  get protocol(): string {
    return this.#socket.protocol
  }

  /** Sends one WebSocket message: a string as text, bytes as binary. */
  send(data: string | Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data)
  }

  /** Takes the first unread frame for which `matches` holds; waits for it. Rejects at the deadline or when the connection closes first. */
  async take(what: string, matches: (received: RawFrame) => boolean, timeoutMs = this.#timeoutMs): Promise<RawFrame> {
    const at = () => this.#unread.findIndex(matches)
    await this.#until(() => at() >= 0 || this.closed !== undefined, timeoutMs)
    const index = at()
    if (index < 0) throw new Error(`expected ${what}; ${this.describe()}`)
    return this.#unread.splice(index, 1)[0] as RawFrame
  }

  /** Unread frames for which `matches` holds, without taking them. */
  unread(matches: (received: RawFrame) => boolean): readonly RawFrame[] {
    return this.#unread.filter(matches)
  }

  async takeClose(timeoutMs = this.#timeoutMs): Promise<{ readonly code: number; readonly reason: string }> {
    await this.#until(() => this.closed !== undefined, timeoutMs)
    if (this.closed === undefined) throw new Error(`expected the server to close the connection; ${this.describe()}`)
    return this.closed
  }

  async takeBeat(timeoutMs: number): Promise<void> {
    const before = this.beats
    await this.#until(() => this.beats > before || this.closed !== undefined, timeoutMs)
    if (this.beats === before) throw new Error(`expected a heart-beat within ${timeoutMs} ms; ${this.describe()}`)
  }

  /** What is known about this connection, for a failing case's message. */
  describe(): string {
    const state =
      this.closed === undefined ? 'the connection is open' : `the connection closed with ${this.closed.code} ${this.closed.reason}`
    return `${state}; unread: ${this.#unread.length === 0 ? 'nothing' : this.#unread.map(show).join(' | ')}`
  }

  terminate(): void {
    this.#socket.terminate()
  }

  #receive(bytes: Buffer): void {
    try {
      const { frames, beats } = takeApart(bytes)
      if (frames.length + beats !== 1) this.irregular.push(`${frames.length} frames and ${beats} line ends in one WebSocket message`)
      this.#unread.push(...frames)
      this.beats += beats
    } catch (error) {
      this.irregular.push((error as Error).message)
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #until(holds: () => boolean, timeoutMs: number): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        resolve()
      }
      const check = () => {
        if (holds()) done()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#waiting.add(check)
    })
  }
}
