import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Profile } from './profile.js'
import { frame, type Header, type OpenOptions, RawConnection, type RawFrame } from './raw-client.js'

/** The server under test. */
export interface Target {
  readonly url: string
  readonly profile: Profile
  /** Headers of CONNECT that authenticate. */
  readonly credentials: readonly Header[]
  /** Longest wait for one answer, ms; 5 000 by default. */
  readonly timeoutMs?: number
}

export interface ConnectOptions extends OpenOptions {
  readonly command?: 'CONNECT' | 'STOMP'
  readonly versions?: string
  readonly heartBeat?: string
  readonly credentials?: readonly Header[]
}

export const token = (): string => randomUUID().replaceAll('-', '')

/** What one case does with the server: its connections, closed when it ends, and the expectations that most cases share. */
export class Conversation {
  readonly target: Target
  readonly #connections: RawConnection[] = []
  /** SENDs made so far. */
  sends = 0

  constructor(target: Target) {
    this.target = target
  }

  get profile(): Profile {
    return this.target.profile
  }

  /** A WebSocket connection on which nothing was sent yet. */
  async open(options: OpenOptions = {}): Promise<RawConnection> {
    const connection = await RawConnection.open(this.target.url, this.target.timeoutMs ?? 5_000, options)
    this.#connections.push(connection)
    return connection
  }

  connectFrame(options: ConnectOptions = {}): string {
    return frame(options.command ?? 'CONNECT', [
      ['accept-version', options.versions ?? '1.2'],
      ['host', new URL(this.target.url).hostname],
      ['heart-beat', options.heartBeat ?? '0,0'],
      ...(options.credentials ?? this.target.credentials),
    ])
  }

  /** An authenticated connection and its CONNECTED. */
  async connected(options: ConnectOptions = {}): Promise<{ connection: RawConnection; connected: RawFrame }> {
    const connection = await this.open(options)
    connection.send(this.connectFrame(options))
    return { connection, connected: await connection.take('CONNECTED', (received) => received.command === 'CONNECTED') }
  }

  /** An authenticated connection. */
  async connect(options: ConnectOptions = {}): Promise<RawConnection> {
    return (await this.connected(options)).connection
  }

  /** Subscribes and waits for the RECEIPT. */
  async subscribe(connection: RawConnection, id: string, destination: string, headers: readonly Header[] = []): Promise<void> {
    await this.answered(connection, 'SUBSCRIBE', [['id', id], ['destination', destination], ...headers])
  }

  /** Subscribes to the inbox as `inbox`, and to the refusals where there are any. */
  async ready(ack?: string): Promise<RawConnection> {
    const connection = await this.connect()
    if (this.profile.refusals !== undefined) await this.subscribe(connection, 'refusals', this.profile.refusals.destination)
    await this.subscribe(connection, 'inbox', this.profile.inbox, ack === undefined ? [] : [['ack', ack]])
    return connection
  }

  /** Sends a frame with a receipt of its own and waits for the RECEIPT. */
  async answered(connection: RawConnection, command: string, headers: readonly Header[], body = ''): Promise<RawFrame> {
    const receipt = token()
    connection.send(frame(command, [...headers, ['receipt', receipt]], body))
    return this.receipt(connection, receipt)
  }

  receipt(connection: RawConnection, id: string): Promise<RawFrame> {
    return connection.take(`RECEIPT ${id}`, (received) => received.command === 'RECEIPT' && received.headers.get('receipt-id') === id)
  }

  /** Shows that the connection is still served, and that what it was sent before has been read. */
  async alive(connection: RawConnection): Promise<void> {
    const id = token()
    await this.subscribe(connection, id, this.profile.quiet)
    await this.answered(connection, 'UNSUBSCRIBE', [['id', id]])
  }

  /** The wire form of a SEND whose message comes back with `text` in its body. */
  sendFrame(text: string, headers: readonly Header[] = []): string {
    this.sends++
    const { destination, headers: own, body } = this.profile.publish(text)
    return frame('SEND', [['destination', destination], ...own, ['content-length', String(Buffer.byteLength(body))], ...headers], body)
  }

  message(connection: RawConnection, text: string): Promise<RawFrame> {
    return connection.take(`MESSAGE with ${text}`, (received) => received.command === 'MESSAGE' && received.body.includes(text))
  }

  /** The server gives up on this connection: an ERROR, then a close, with the profile's code where it names one. */
  async errorThenClose(connection: RawConnection, code: keyof Profile['closeCodes'] = 'protocolError'): Promise<RawFrame> {
    const error = await connection.take('ERROR', (received) => received.command === 'ERROR')
    const close = await connection.takeClose()
    const expected = this.profile.closeCodes[code]
    if (expected !== undefined) assert.equal(close.code, expected, `close code after ERROR ${error.headers.get('message') ?? ''}`)
    return error
  }

  /** The frame with this receipt is refused: as a MESSAGE of the refusals, the connection living on, or as ERROR and close. */
  async refused(connection: RawConnection, receipt: string): Promise<void> {
    const { refusals } = this.profile
    if (refusals === undefined) {
      await connection.take('ERROR', (received) => received.command === 'ERROR')
      await connection.takeClose()
      return
    }
    const isRefusal = (received: RawFrame) =>
      received.command === 'MESSAGE' &&
      received.headers.get('destination') === refusals.destination &&
      refusals.receiptOf(received.body) === receipt
    await connection.take(`a refusal of ${receipt}`, isRefusal)
    assert.deepEqual(
      connection.unread((received) => received.headers.get('receipt-id') === receipt),
      [],
      'refused and receipted',
    )
    await this.alive(connection)
  }

  /** Ends the case: what no case asks for by itself is checked here, then everything is closed. */
  end(): void {
    for (const connection of this.#connections) connection.terminate()
  }

  /** Checks what holds on every connection of every case. */
  checkAlways(): void {
    if (!this.profile.oneFramePerMessage) return
    for (const connection of this.#connections) assert.deepEqual(connection.irregular, [], 'one STOMP frame per WebSocket message')
  }
}
