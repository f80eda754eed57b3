import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  CLIENT_COMMANDS,
  type Command,
  DEFAULT_LIMITS,
  type Frame,
  type ParsedItem,
  serializeFrame,
  StompParser,
  StompProtocolError,
} from '@innerline/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Defect } from './defects.js'

/** Times of the reference server, ms: short, so that the slow cases can run in a test. */
export const TIMES = { connectTimeout: 300, silence: 500, beat: 500 } as const

const queues = ['/user/queue/messages', '/user/queue/heartbeat', '/user/queue/errors']
const limits = { ...DEFAULT_LIMITS, frameBytes: DEFAULT_LIMITS.unauthenticatedBytes }
const unlimited = { frameBytes: 1 << 24, headers: 1 << 16, headerLineBytes: 1 << 20 }

interface Subscription {
  readonly destination: string
  readonly ack: string
}

class Fault extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** One connection of a server that keeps to the profile and does nothing else, save for the defect it was given. */
class Peer {
  readonly #socket: WebSocket
  readonly #everyone: Set<Peer>
  readonly #has: (defect: Defect) => boolean
  readonly #subscriptions = new Map<string, Subscription>()
  #parser: StompParser
  #connected = false
  #sends = 0
  #timers: NodeJS.Timeout[] = []
  #silence: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(socket: WebSocket, everyone: Set<Peer>, has: (defect: Defect) => boolean) {
    this.#socket = socket
    this.#everyone = everyone
    this.#has = has
    this.#parser = this.#newParser()
    everyone.add(this)
    if (!has('waits for CONNECT forever')) this.#timers.push(setTimeout(() => !this.#connected && socket.close(4001), TIMES.connectTimeout))
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    socket.on('close', () => this.#end())
    socket.on('error', () => undefined)
  }

  #newParser(): StompParser {
    return new StompParser({ limits: this.#has('has no limits') ? unlimited : limits, commands: CLIENT_COMMANDS })
  }

  #end(): void {
    this.#everyone.delete(this)
    clearTimeout(this.#silence)
    for (const timer of this.#timers) clearInterval(timer)
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#socket.readyState !== 1 || (isBinary && this.#has('ignores binary messages'))) return
    this.#silence?.refresh()
    if (this.#has('takes each message for a whole frame')) this.#parser = this.#newParser()
    let items: readonly ParsedItem[] = []
    let fault: StompProtocolError | undefined
    try {
      items = this.#parser.push(this.#distort(data))
    } catch (error) {
      if (!(error instanceof StompProtocolError)) throw error
      fault = error
      items = this.#has('drops what stood before a fault') ? [] : error.before
    }
    for (const item of items) if (item !== 'heartbeat') this.#queue(() => this.#handle(item))
    if (fault === undefined) return
    const { message } = fault
    if (this.#has('ignores malformed frames')) this.#parser = this.#newParser()
    else this.#queue(() => this.#fail(new Fault(4500, message)))
  }

  /** Decoder defects, planted in the bytes. */
  #distort(data: Buffer): Buffer {
    if (this.#has('ignores content-length')) return Buffer.from(data.toString('latin1').replaceAll(/content-length:\d+\n/g, ''), 'latin1')
    if (this.#has('takes the last of repeated headers')) return Buffer.from(data.toString().replace(/receipt:.*\n(?=receipt:)/, ''))
    if (this.#has('drops the backslash of undefined escapes')) return Buffer.from(data.toString().replaceAll('\\t', 't'))
    return data
  }

  /** Work is asynchronous, as with a database behind it, and serial. */
  #queue(work: () => void): void {
    this.#work = this.#work
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => {
        if (this.#socket.readyState === 1) work()
      })
  }

  #write(command: Command, headers: Record<string, string>, body = ''): void {
    const bytes = serializeFrame(command, headers, body)
    this.#socket.send(command === 'RECEIPT' && this.#has('sends two frames in one message') ? Buffer.concat([bytes, bytes]) : bytes, {
      binary: false,
    })
  }

  #fail(fault: Fault, receipt?: string): void {
    const receiptId = receipt === undefined || this.#has('leaves receipt-id out of ERROR') ? undefined : { 'receipt-id': receipt }
    this.#write('ERROR', { message: fault.message, ...receiptId })
    this.#socket.close(fault.code)
  }

  #handle(frame: Frame): void {
    const receipt = frame.headers.get('receipt')
    try {
      this.#perform(frame, (extra = {}) => receipt !== undefined && this.#receipt(receipt, extra))
    } catch (error) {
      if (error instanceof Fault) return this.#fail(error, receipt)
      const [id] = [...this.#subscriptions].find(([, { destination }]) => destination === '/user/queue/errors') ?? []
      if (id === undefined) return this.#fail(new Fault(4500, (error as Error).message), receipt)
      const headers = { destination: '/user/queue/errors', subscription: id, 'message-id': 'refusal' }
      this.#write('MESSAGE', headers, JSON.stringify({ code: 'INVALID_REQUEST', receipt }))
    }
  }

  #receipt(receipt: string, extra: Record<string, string>): void {
    let id = receipt
    if (this.#has('trims headers')) id = id.trim()
    if (this.#has('unescapes twice')) id = id.replaceAll('\\n', '\n')
    this.#write('RECEIPT', { 'receipt-id': id, ...extra })
  }

  #perform(frame: Frame, done: (extra?: Record<string, string>) => void): void {
    const get = (name: string) => frame.headers.get(name)
    const need = (name: string) => {
      const value = get(name)
      if (value === undefined) throw new Error(`${name} is missing`)
      return value
    }
    const { command } = frame
    if (command === 'CONNECT' || command === 'STOMP') return this.#connect(get)
    if (!this.#connected && !this.#has('serves before CONNECT')) throw new Fault(4500, 'CONNECT comes first')
    if (command === 'SUBSCRIBE') this.#subscribe(need('id'), need('destination'), get('ack') ?? 'auto')
    else if (command === 'UNSUBSCRIBE') {
      const id = need('id')
      if (!this.#has('delivers after UNSUBSCRIBE')) this.#subscriptions.delete(id)
    } else if (command === 'SEND') return this.#send(need('destination'), get('transaction'), Buffer.from(frame.body).toString(), done)
    else if (command === 'ACK' || command === 'NACK') need('id')
    else if (command !== 'DISCONNECT' && !this.#has('accepts transactions')) throw new Fault(4500, 'there are no transactions')
    done()
  }

  #connect(get: (name: string) => string | undefined): void {
    if (this.#connected && !this.#has('accepts CONNECT twice')) throw new Fault(4500, 'already connected')
    if (!(get('accept-version') ?? '').split(',').includes('1.2')) throw new Fault(4512, 'version 1.2 only')
    const authorization = get('Authorization')
    if (authorization !== 'Bearer good') {
      throw new Fault(4501, this.#has('repeats secrets') ? `not accepted: ${authorization}` : 'not accepted')
    }
    this.#connected = true
    const [canSend = 0, wants = 0] = (get('heart-beat') ?? '0,0').split(',').map(Number)
    const { beat, silence } = TIMES
    const headers = { session: 's', 'user-name': 'alice', epoch: '1', 'reconnect-window': '1000', 'heart-beat': `${beat},${beat}` }
    this.#write('CONNECTED', { version: '1.2', ...headers })
    if (!this.#has('has no limits')) this.#parser.setLimits(DEFAULT_LIMITS)
    if ((wants > 0 && !this.#has('never sends heart-beats')) || this.#has('sends heart-beats nobody wants')) {
      this.#timers.push(setInterval(() => this.#socket.send('\n'), Math.max(wants, beat)))
    }
    if (canSend > 0 && !this.#has('never misses heart-beats'))
      this.#silence = setTimeout(() => this.#socket.close(4002), Math.max(canSend, silence))
  }

  #subscribe(id: string, destination: string, ack: string): void {
    if (!queues.includes(destination) && !this.#has('lets anything be subscribed to')) throw new Error('unknown destination')
    if (!['auto', 'client', 'client-individual'].includes(ack)) throw new Error('unknown ack mode')
    if (this.#subscriptions.has(id) && !this.#has('lets an id be used twice')) throw new Error('the id is in use')
    this.#subscriptions.set(id, { destination, ack })
  }

  #send(destination: string, transaction: string | undefined, body: string, done: (extra?: Record<string, string>) => void): void {
    if (transaction !== undefined && !this.#has('accepts transactions')) throw new Error('there are no transactions')
    if (destination !== '/app/chat.sendMessage') throw new Error('unknown destination')
    const { msgId } = JSON.parse(body) as { msgId: string }
    const commit = () => {
      for (const peer of this.#everyone) peer.#deliver(msgId, body)
      if (this.#has('forgets receipts of SEND')) return
      done({ 'msg-id': msgId, 'conversation-id': 'd~alice~bob', seq: '1', ord: '1', timestamp: '1', duplicate: 'false' })
    }
    if (this.#has('reorders')) setTimeout(commit, 200 - 40 * this.#sends++)
    else if (this.#has('answers DISCONNECT early')) setTimeout(commit, 20)
    else commit()
  }

  #deliver(msgId: string, body: string): void {
    for (const [id, { destination, ack }] of this.#subscriptions) {
      if (destination !== '/user/queue/messages') continue
      const hasAck = (ack !== 'auto' || this.#has('asks for acks in auto mode')) && !this.#has('never asks for acks')
      const headers = { destination, subscription: id, 'message-id': `m:${msgId}`, ...(hasAck ? { ack: `m:${msgId}` } : undefined) }
      for (let copy = this.#has('delivers twice') ? 2 : 1; copy > 0; copy--) this.#write('MESSAGE', headers, body)
    }
  }
}

/** Starts the server on a free port. */
export async function startReferenceServer(defect?: Defect): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const http = createServer()
  const everyone = new Set<Peer>()
  const handleProtocols = (offered: Set<string>): string | false =>
    defect === 'chooses the first subprotocol' ? ([...offered][0] ?? false) : offered.has('v12.stomp') && 'v12.stomp'
  const sockets = new WebSocketServer({ server: http, maxPayload: 1 << 22, handleProtocols })
  sockets.on('connection', (socket) => new Peer(socket, everyone, (name) => name === defect))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/ws/chat`,
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}
