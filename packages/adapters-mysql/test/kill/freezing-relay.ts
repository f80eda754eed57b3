import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { monotonicNow } from './messages.js'

/** Longest text that a pattern may need to see across two chunks. */
const TAIL = 64

interface Trap {
  readonly pattern: RegExp
  /** `request`: the statement is kept back, so that the server is left waiting for it. `response`: it is carried out, its answer kept unread. */
  readonly at: 'request' | 'response'
  readonly freeze: () => void
  readonly sprung: (at: number) => void
}

/**
 * A relay before a database server that freezes a client at a certain statement. The client's sockets stay open and its answers unread,
 * as with a stopped process or a pulled cable: what the server does then is up to its timeouts.
 */
export class FreezingRelay {
  readonly #server: Server
  readonly #upstreamPort: number
  readonly #sockets = new Set<Socket>()
  #trap: Trap | undefined
  #held: (() => void)[] = []
  #frozen = false

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort
    this.#server = createServer((client) => this.#relay(client))
  }

  static async start(upstream: string): Promise<FreezingRelay> {
    const relay = new FreezingRelay(Number(new URL(upstream).port))
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject)
      relay.#server.listen(0, '127.0.0.1', resolve)
    })
    return relay
  }

  /** The upstream's URI by way of this relay. */
  through(upstream: string): string {
    const url = new URL(upstream)
    url.hostname = '127.0.0.1'
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  /** Freezes the client with `freeze` at the next statement that matches; resolves with the moment. */
  trap(pattern: RegExp, at: Trap['at'], freeze: () => void): Promise<number> {
    return new Promise((sprung) => {
      this.#trap = { pattern, at, freeze, sprung }
    })
  }

  /** Lets go what was kept back; the caller wakes the client. */
  release(): void {
    this.#frozen = false
    for (const forward of this.#held.splice(0)) forward()
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #relay(client: Socket): void {
    const upstream = connect({ host: '127.0.0.1', port: this.#upstreamPort })
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => this.#sockets.delete(socket))
    }
    let tail = ''
    let answering: Trap | undefined
    client.on('data', (chunk) => {
      const text = tail + chunk.toString('latin1')
      tail = text.slice(-TAIL)
      const trap = this.#trap
      if (trap?.pattern.test(text)) {
        this.#trap = undefined
        if (trap.at === 'request') this.#spring(trap)
        else answering = trap
      }
      if (this.#frozen) this.#held.push(() => passOn(chunk, client, upstream))
      else passOn(chunk, client, upstream)
    })
    upstream.on('data', (chunk) => {
      if (answering !== undefined) this.#spring(answering)
      answering = undefined
      passOn(chunk, upstream, client)
    })
    client.on('close', () => upstream.destroy())
    // The server's goodbye reaches a frozen client only when it wakes; its socket stays open until then.
    upstream.on('close', () => (this.#frozen ? this.#held.push(() => client.destroy()) : client.destroy()))
  }

  #spring(trap: Trap): void {
    this.#frozen = true
    trap.freeze()
    trap.sprung(monotonicNow())
  }
}

/** Writes with back-pressure: who does not read makes the relay stop reading for it, and so the other side stop writing. */
function passOn(chunk: Buffer, from: Socket, to: Socket): void {
  if (to.destroyed || to.write(chunk)) return
  from.pause()
  to.once('drain', () => from.resume())
}
