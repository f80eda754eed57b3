import type { Socket } from 'node:net'
import { WebSocket, type RawData } from 'ws'
import type { GatewaySocket, SocketListener } from './socket.js'
import { wsFrame } from './ws-frame.js'

/** Up to here, copying into one buffer is cheaper than a gathering write (measured on small frames). */
const COPY_BYTES = 64 * 1024

const violations: ReadonlySet<number> = new Set([1002, 1007, 1008, 1009])

/** The library's socket with a place for ours: shared listener functions instead of closures per connection keep idle sockets small. */
export class ServerWebSocket extends WebSocket {
  owner: SocketListener | undefined

  override close(code?: number, reason?: string | Buffer): void {
    // The library closes by itself, with these codes only, when the peer breaks RFC 6455 or a limit of it.
    if (code !== undefined && violations.has(code) && this.owner !== undefined && this.readyState === WebSocket.OPEN) {
      const verdict = this.owner.onViolation(code === 1009)
      super.close(verdict.code, verdict.reason)
      return
    }
    super.close(code, reason)
  }
}

function onMessage(this: WebSocket, data: RawData, binary: boolean): void {
  ;(this as ServerWebSocket).owner?.onMessage(data as Buffer, binary)
}

function onPong(this: WebSocket): void {
  ;(this as ServerWebSocket).owner?.onPong()
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  const { owner } = this as ServerWebSocket
  ;(this as ServerWebSocket).owner = undefined
  owner?.onClose(code, reason.toString())
}

/** Every error is followed by `close`, which is where it is dealt with. */
function onError(): void {}

/** Carries STOMP frames over the `ws` library. */
export class WsSocket implements GatewaySocket {
  readonly #ws: ServerWebSocket
  /** The library's own TCP socket. Private to it, so without one of this shape we fall back to `send`. */
  readonly #tcp: Socket | undefined

  constructor(ws: ServerWebSocket) {
    this.#ws = ws
    const tcp = (ws as unknown as { readonly _socket?: Socket })._socket
    this.#tcp = typeof tcp?.write === 'function' && ws.extensions === '' ? tcp : undefined
  }

  listen(listener: SocketListener): void {
    this.#ws.owner = listener
    this.#ws.on('message', onMessage)
    this.#ws.on('pong', onPong)
    this.#ws.on('close', onClose)
    this.#ws.on('error', onError)
  }

  prepare(frame: string, binary: boolean): Uint8Array {
    return wsFrame(frame, binary)
  }

  write(frames: readonly Uint8Array[]): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return
    const tcp = this.#tcp
    if (tcp === undefined) {
      for (const frame of frames) sendByLibrary(this.#ws, frame)
      return
    }
    const [first] = frames
    if (first === undefined) return
    if (frames.length === 1) {
      tcp.write(first)
      return
    }
    let bytes = 0
    for (const frame of frames) bytes += frame.length
    if (bytes <= COPY_BYTES) {
      tcp.write(Buffer.concat(frames as Uint8Array[], bytes))
      return
    }
    tcp.cork()
    for (const frame of frames) tcp.write(frame)
    tcp.uncork()
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }

  ping(): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping()
  }

  onceDrained(fn: () => void): void {
    if (this.#tcp === undefined || this.#tcp.writableLength === 0) {
      process.nextTick(fn)
      return
    }
    this.#tcp.once('drain', fn)
  }

  close(code: number, reason: string): void {
    this.#ws.resume()
    this.#ws.close(code, reason)
  }

  terminate(): void {
    this.#ws.terminate()
  }
}

/** Strips the frame header we made: the library makes its own. */
function sendByLibrary(ws: WebSocket, frame: Uint8Array): void {
  const length = (frame[1] as number) & 0x7f
  const headerLength = length < 126 ? 2 : length === 126 ? 4 : 10
  ws.send(frame.subarray(headerLength), { binary: ((frame[0] as number) & 0x0f) === 2 })
}
