import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startServer, until } from './support/im-server.js'

const upgrade = (port: number, origin: string): string =>
  `GET /ws/chat HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: ${origin}\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

async function dial(port: number, origin: string): Promise<{ readonly socket: Socket; readonly answer: () => string }> {
  // Half-open on purpose: it never closes its own side.
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString()
  })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  socket.write(upgrade(port, origin))
  await until('an answer', () => text.includes('\r\n\r\n'))
  return { socket, answer: () => text }
}

describe('an upgrade that is refused', () => {
  it('holds no socket, though the peer keeps its side open', async () => {
    const server = await startServer()
    onTestFinished(() => server.stop())
    const held = new Set<Socket>()
    server.http.on('connection', (socket: Socket) => {
      held.add(socket)
      socket.on('close', () => held.delete(socket))
    })
    const peers = await Promise.all(Array.from({ length: 50 }, () => dial(server.port, 'http://evil.example')))
    for (const { answer } of peers) expect(answer()).toMatch(/^HTTP\/1\.1 403 /)
    await until('no socket is held', () => held.size === 0)
  })

  it('by an allowedOrigins that throws is refused and logged; one that promises lets nobody in', async () => {
    const errors: string[] = []
    const logger = { debug() {}, info() {}, warn() {}, error: (_fields: object, message = '') => errors.push(message) }
    const server = await startServer({ logger, allowedOrigins: (origin) => new URL(origin).hostname.endsWith('.corp') })
    onTestFinished(() => server.stop())
    expect((await dial(server.port, 'null')).answer()).toMatch(/^HTTP\/1\.1 403 /)
    expect((await dial(server.port, 'https://chat.corp')).answer()).toMatch(/^HTTP\/1\.1 101 /)
    expect(errors).toEqual([expect.stringContaining('allowedOrigins threw')])

    const careless = await startServer({ allowedOrigins: (async () => false) as never })
    onTestFinished(() => careless.stop())
    expect((await dial(careless.port, 'https://evil.example')).answer()).toMatch(/^HTTP\/1\.1 403 /)
  })
})
