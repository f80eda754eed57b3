import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import type { Duplex } from 'node:stream'

const hopHeaders: ReadonlySet<string> = new Set(['upgrade', 'http2-settings'])

/**
 * Makes our listener invisible to everybody else's requests. As soon as any `upgrade` listener is attached, Node hands
 * it plain requests that merely offer an upgrade (`Upgrade: h2c`: Java's HttpClient, curl --http2), and nobody answers
 * them. Such a request is put back as the ordinary one it also is. A WebSocket for a path that is not ours is left to
 * the other listeners; when we are the only one, it too is answered as it would be without us.
 */
export function passOn(server: HttpServer, req: IncomingMessage, socket: Duplex, head: Buffer, soon: (fn: () => void) => void): void {
  const others = server.listenerCount('upgrade') > 1
  const isWebSocket = req.headers.upgrade?.toLowerCase() === 'websocket'
  const again = (): void => whenAnswered(socket, () => replay(server, req, socket, head))
  if (!others) {
    again()
    return
  }
  if (isWebSocket) return
  const written = bytesWritten(socket)
  // An answer to an earlier request of a pipelining client writes too, which says nothing about this one.
  const answering = pendingAnswer(socket) !== undefined
  // Listeners after ours get their turn first: one that wants the socket has touched it by then.
  soon(() => {
    if (socket.destroyed || socket.listenerCount('data') > 0 || socket.listenerCount('readable') > 0) return
    if (answering || bytesWritten(socket) === written) again()
  })
}

/** Answers to a pipelining client's earlier requests belong to the parser that is gone; the new one would wait for them for ever. */
function whenAnswered(socket: Duplex, fn: () => void): void {
  const pending = pendingAnswer(socket)
  if (pending === undefined) fn()
  else pending.once('close', () => whenAnswered(socket, fn))
}

/** The response that has the socket. Private to Node's http, which has had it since its beginnings and offers no other way to know. */
const pendingAnswer = (socket: Duplex): ServerResponse | undefined =>
  (socket as Duplex & { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined

/** Gives the socket back to the server as a new connection that begins with the same request, less the offer. */
function replay(server: HttpServer, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  if (socket.destroyed) return
  const { rawHeaders } = req
  let text = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const lower = name.toLowerCase()
    if (hopHeaders.has(lower)) continue
    const value = rawHeaders[i + 1] as string
    text += `${name}: ${lower === 'connection' ? withoutUpgrade(value) : value}\r\n`
  }
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]))
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
}

function withoutUpgrade(connection: string): string {
  const kept = connection
    .split(',')
    .map((token) => token.trim())
    .filter((token) => !hopHeaders.has(token.toLowerCase()))
  return kept.length === 0 ? 'keep-alive' : kept.join(', ')
}

const bytesWritten = (socket: Duplex): number => (socket as Duplex & { readonly bytesWritten?: number }).bytesWritten ?? 0
