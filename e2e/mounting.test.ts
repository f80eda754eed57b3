import { execFile, spawnSync } from 'node:child_process'
import { createServer, request, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createRequire } from 'node:module'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { promisify } from 'node:util'
import { createImServer, type ImServer } from '@innerline/server-core'
import { Server as SocketIoServer } from 'socket.io'
import { io } from 'socket.io-client'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { RawConnection } from './stomp-conformance/raw-client.js'
import { frame } from './stomp-conformance/raw-client.js'
import { selfSigned } from './support/certificate.js'
import { HttpConnection } from './support/http-connection.js'
import { authenticateByToken, until } from './support/im-server.js'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function listen(server: NetServer & { closeAllConnections?: () => void }): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections?.()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return (server.address() as AddressInfo).port
}

async function startIm(options: Partial<Parameters<typeof createImServer>[0]> = {}): Promise<ImServer> {
  const im = createImServer({ authenticate: authenticateByToken, ...options })
  await im.start()
  cleanups.push(() => im.close())
  return im
}

/** The host's own routes: says what it saw, body included. */
const hostApp: RequestListener = (req, res) => {
  let body = ''
  req.on('data', (chunk: Buffer) => {
    body += chunk.toString()
  })
  req.on('end', () => {
    const { upgrade, connection } = req.headers
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ host: `${req.method} ${req.url}`, body, upgrade, connection }))
  })
}

const withApp =
  (im: ImServer): RequestListener =>
  (req, res) =>
    im.router(req, res, () => hostApp(req, res))

/** Connects over STOMP and sends one message; resolves with the RECEIPT's seq. */
async function converse(url: string, toUserId = 'bob'): Promise<number> {
  const connection = await RawConnection.open(url, 5_000)
  connection.send(
    frame('CONNECT', [
      ['accept-version', '1.2'],
      ['passcode', 'alice'],
    ]),
  )
  await connection.take('CONNECTED', ({ command }) => command === 'CONNECTED')
  const body = JSON.stringify({ toUserId, body: { type: 'text', text: 'hi' } })
  connection.send(
    frame(
      'SEND',
      [
        ['destination', '/app/chat.sendMessage'],
        ['receipt', 'r'],
      ],
      body,
    ),
  )
  const receipt = await connection.take('a receipt', ({ command }) => command === 'RECEIPT')
  connection.terminate()
  return Number(receipt.headers.get('seq'))
}

const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA']

function rawRequest(method: string, path: string, options: { readonly body?: string; readonly headers?: readonly string[] } = {}): string {
  const { body, headers = [] } = options
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`, 'Content-Type: application/json']
  return [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Authorization: Bearer alice', ...headers, ...length, '', body ?? ''].join(
    '\r\n',
  )
}

const message = JSON.stringify({ toUserId: 'bob', body: { type: 'text', text: 'über h2c ✓' } })

describe('beside others on one server', () => {
  it.each(['ours first', 'ours last'])('socket.io and a plain ws server work as before, and so do we: %s', async (order) => {
    const im = await startIm()
    const http = createServer(withApp(im))
    if (order === 'ours first') im.attach(http)
    const socketIo = new SocketIoServer(http)
    socketIo.on('connection', (socket) => socket.on('echo', (text: string) => socket.emit('echo', text)))
    cleanups.push(() => socketIo.close())
    const plain = new WebSocketServer({ noServer: true })
    plain.on('connection', (ws) => ws.on('message', (data) => ws.send(`plain ${String(data)}`)))
    http.on('upgrade', (req, socket, head) => {
      if (req.url === '/plain') plain.handleUpgrade(req, socket, head, (ws) => plain.emit('connection', ws, req))
    })
    if (order === 'ours last') im.attach(http)
    const port = await listen(http)

    for (const transports of [['websocket'], ['polling', 'websocket']]) {
      const client = io(`http://127.0.0.1:${port}`, { transports, reconnection: false })
      cleanups.push(() => client.disconnect())
      const echoed = new Promise((resolve) => client.once('echo', resolve))
      client.emit('echo', 'hello')
      expect(await echoed).toBe('hello')
      await until('it speaks WebSocket', () => client.io.engine.transport.name === 'websocket')
    }
    const ws = new WebSocket(`ws://127.0.0.1:${port}/plain`)
    cleanups.push(() => ws.terminate())
    const answered = new Promise((resolve) => ws.once('message', (data) => resolve(String(data))))
    ws.once('open', () => ws.send('hello'))
    expect(await answered).toBe('plain hello')
    expect(await converse(`ws://127.0.0.1:${port}/ws/chat`)).toBe(1)
    expect(await converse(`ws://127.0.0.1:${port}/ws/chat/websocket`)).toBe(2)
    // And a request that only offers an upgrade is answered, whoever listens.
    const connection = await HttpConnection.open(port)
    cleanups.push(() => connection.end())
    expect(JSON.parse((await connection.request(rawRequest('GET', '/own', { headers: h2c }))).body)).toMatchObject({ host: 'GET /own' })
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    // socket.io ends sockets nobody has answered after a second; this one was.
    expect((await connection.request(rawRequest('GET', '/api/im/me'))).status).toBe(200)
  })

  it('two of our own, by basePath', async () => {
    const [one, two] = [await startIm({ basePath: '/one' }), await startIm({ basePath: '/two' })]
    const http = createServer((req, res) => one.router(req, res, () => two.router(req, res, () => hostApp(req, res))))
    one.attach(http)
    two.attach(http)
    const port = await listen(http)
    expect(await converse(`ws://127.0.0.1:${port}/one/ws/chat`)).toBe(1)
    expect(await converse(`ws://127.0.0.1:${port}/two/ws/chat`)).toBe(1)
    const connection = await HttpConnection.open(port)
    cleanups.push(() => connection.end())
    for (const path of ['/one/api/im/me', '/two/api/im/me']) {
      expect((await connection.request(rawRequest('GET', path, { headers: h2c }))).status).toBe(200)
    }
    expect((await connection.request(rawRequest('GET', '/api/im/me', { headers: h2c }))).body).toContain('"host":"GET /api/im/me"')
  })
})

describe('a request that offers h2c', () => {
  describe.each([
    ['with only our listener', false],
    ['with another listener', true],
  ])('%s', (_name, others) => {
    async function start(): Promise<number> {
      const im = await startIm()
      const http = createServer(withApp(im))
      if (others) http.on('upgrade', () => undefined)
      im.attach(http)
      return listen(http)
    }

    it('is answered on our paths and the host’s, GET and POST, and the connection is kept', async () => {
      const connection = await HttpConnection.open(await start())
      cleanups.push(() => connection.end())
      const me = await connection.request(rawRequest('GET', '/api/im/me', { headers: h2c }))
      expect([me.status, JSON.parse(me.body)]).toMatchObject([200, { userId: 'alice' }])
      const sent = await connection.request(rawRequest('POST', '/api/im/messages', { headers: h2c, body: message }))
      expect([sent.status, JSON.parse(sent.body)]).toMatchObject([200, { seq: 1 }])
      const host = await connection.request(rawRequest('GET', '/own', { headers: h2c }))
      // The offer is gone, as a server that does not take it up may leave it unseen.
      expect(JSON.parse(host.body)).toEqual({ host: 'GET /own', body: '', connection: 'keep-alive' })
      const posted = await connection.request(rawRequest('POST', '/own', { headers: h2c, body: '{"a":1}' }))
      expect(JSON.parse(posted.body)).toMatchObject({ host: 'POST /own', body: '{"a":1}' })
      const plain = await connection.request(rawRequest('POST', '/api/im/messages', { body: message }))
      expect(JSON.parse(plain.body)).toMatchObject({ seq: 2 })
    })

    it('may have a body that comes later, in pieces, or chunked', async () => {
      const connection = await HttpConnection.open(await start())
      cleanups.push(() => connection.end())
      const large = JSON.stringify({ toUserId: 'bob', body: { type: 'text', text: 'x'.repeat(40_000) } })
      const bytes = rawRequest('POST', '/api/im/messages', { headers: h2c, body: large })
      const headEnd = bytes.indexOf('\r\n\r\n') + 4
      for (const part of [bytes.slice(0, 30), bytes.slice(30, headEnd), bytes.slice(headEnd, headEnd + 100), bytes.slice(headEnd + 100)]) {
        connection.write(part)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(JSON.parse((await connection.answer()).body)).toMatchObject({ seq: 1 })
      const size = Buffer.byteLength(message).toString(16)
      const chunked = await connection.request(
        `${rawRequest('POST', '/api/im/messages', {
          headers: [...h2c, 'Content-Type: application/json', 'Transfer-Encoding: chunked'],
        })}${size}\r\n${message}\r\n0\r\n\r\n`,
      )
      expect(JSON.parse(chunked.body)).toMatchObject({ seq: 2 })
    })

    it('may come pipelined with others', async () => {
      const connection = await HttpConnection.open(await start())
      cleanups.push(() => connection.end())
      connection.write(
        rawRequest('GET', '/a', { headers: h2c }) +
          rawRequest('POST', '/b', { headers: h2c, body: 'x' }) +
          rawRequest('GET', '/c') +
          rawRequest('GET', '/d', { headers: h2c }),
      )
      const hosts: unknown[] = []
      for (let i = 0; i < 4; i++) hosts.push((JSON.parse((await connection.answer()).body) as { host: string }).host)
      expect(hosts).toEqual(['GET /a', 'POST /b', 'GET /c', 'GET /d'])
    })

    it('may come again and again on one connection, and nothing grows', async () => {
      const warnings: Error[] = []
      const note = (warning: Error): void => void warnings.push(warning)
      process.on('warning', note)
      const connection = await HttpConnection.open(await start())
      cleanups.push(() => connection.end())
      for (let i = 0; i < 40; i++) {
        const answer = await connection.request(
          rawRequest(i % 2 === 0 ? 'GET' : 'POST', `/own/${i}`, { headers: h2c, body: i % 2 === 0 ? '' : 'x' }),
        )
        expect(JSON.parse(answer.body)).toMatchObject({ host: `${i % 2 === 0 ? 'GET' : 'POST'} /own/${i}` })
      }
      process.off('warning', note)
      expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([])
    })

    it('is answered to node’s own client', async () => {
      const port = await start()
      for (const [method, body] of [
        ['GET', undefined],
        ['POST', message],
      ] as const) {
        const answer = await new Promise<string>((resolve, reject) => {
          const req = request({
            port,
            host: '127.0.0.1',
            method,
            path: method === 'GET' ? '/api/im/me' : '/api/im/messages',
            headers: {
              authorization: 'Bearer alice',
              connection: 'Upgrade, HTTP2-Settings',
              upgrade: 'h2c',
              'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
              ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            },
          })
          req.on('response', (res) => {
            let text = ''
            res.on('data', (chunk: Buffer) => {
              text += chunk.toString()
            })
            res.on('end', () => resolve(text))
          })
          req.on('error', reject)
          req.end(body)
        })
        expect(JSON.parse(answer)).toMatchObject(method === 'GET' ? { userId: 'alice' } : { seq: 1 })
      }
    })

    const hasCurl = spawnSync('curl', ['--version']).stdout?.toString().includes('HTTP2') === true
    it.skipIf(!hasCurl)('is answered to curl --http2', async () => {
      const port = await start()
      const curl = async (...args: string[]) =>
        JSON.parse(
          (await promisify(execFile)('curl', ['-sS', '--http2', '-m', '10', '-H', 'Authorization: Bearer alice', ...args])).stdout,
        ) as unknown
      expect(await curl(`http://127.0.0.1:${port}/api/im/me`)).toMatchObject({ userId: 'alice' })
      expect(await curl(`http://127.0.0.1:${port}/own`)).toMatchObject({ host: 'GET /own' })
      const post = ['-H', 'Content-Type: application/json', '-d', message]
      expect(await curl(`http://127.0.0.1:${port}/api/im/messages`, ...post)).toMatchObject({ seq: 1 })
    })
  })

  it('goes to a listener that wants it', async () => {
    const im = await startIm()
    const http = createServer(withApp(im))
    im.attach(http)
    http.on('upgrade', (req, socket) => {
      if (req.headers.upgrade === 'h2c') socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    })
    const connection = await HttpConnection.open(await listen(http))
    cleanups.push(() => connection.end())
    expect((await connection.request(rawRequest('GET', '/own', { headers: h2c }))).status).toBe(101)
  })
})

describe('a WebSocket for a path that is not ours', () => {
  const handshake = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ]

  it('is answered by the host’s app when nobody else listens, as it would be without us', async () => {
    const im = await startIm()
    const http = createServer(withApp(im))
    const port = await listen(http)
    const answers: unknown[] = []
    for (const attached of [false, true]) {
      if (attached) im.attach(http)
      const connection = await HttpConnection.open(port)
      cleanups.push(() => connection.end())
      const { status, body } = await connection.request(rawRequest('GET', '/foreign', { headers: handshake }))
      answers.push([status, (JSON.parse(body) as { host: string }).host])
      expect((await connection.request(rawRequest('GET', '/api/im/me'))).status).toBe(200)
    }
    expect(answers).toEqual([
      [200, 'GET /foreign'],
      [200, 'GET /foreign'],
    ])
  })

  it.each(['/ws', '/ws/chatter', '/ws/chat/other', '/x/ws/chat', '/ws/Chat'])('such as %s is not taken for ours', async (path) => {
    const im = await startIm()
    const http = createServer(withApp(im))
    im.attach(http)
    const connection = await HttpConnection.open(await listen(http))
    cleanups.push(() => connection.end())
    expect((await connection.request(rawRequest('GET', path, { headers: handshake }))).body).toContain(`"host":"GET ${path}"`)
  })

  it('that hosts route themselves is theirs: handleUpgrade says no and touches nothing', async () => {
    const im = await startIm()
    const http = createServer(withApp(im))
    const plain = new WebSocketServer({ noServer: true })
    http.on('upgrade', (req, socket, head) => {
      if (im.handleUpgrade(req, socket, head)) return
      plain.handleUpgrade(req, socket, head, (ws) => ws.close(4999))
    })
    const port = await listen(http)
    expect(await converse(`ws://127.0.0.1:${port}/ws/chat`)).toBe(1)
    const ws = new WebSocket(`ws://127.0.0.1:${port}/foreign`)
    expect(await new Promise((resolve) => ws.once('close', resolve))).toBe(4999)
  })
})

describe('a handshake for one of our paths', () => {
  it.each([
    ['another site', ['Origin: https://evil.example'], 403],
    ['a lookalike', ['Origin: http://evil-localhost'], 403],
    ['a null origin', ['Origin: null'], 403],
    ['another scheme’s port', ['Origin: http://localhost:81'], 403],
    ['the same host', ['Origin: http://localhost'], 101],
    ['no origin', [], 101],
  ])('from %s', async (_name, headers, status) => {
    const im = await startIm()
    const http = createServer(withApp(im))
    im.attach(http)
    const connection = await HttpConnection.open(await listen(http))
    cleanups.push(() => connection.end())
    const handshake = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ]
    const answer = await connection.request(rawRequest('GET', '/ws/chat', { headers: [...handshake, ...headers] }))
    expect(answer.status).toBe(status)
    if (status === 403) expect(JSON.parse(answer.body)).toMatchObject({ code: 'FORBIDDEN', status: 403 })
  })

  it('is refused 503 with Retry-After before start, while draining and after close', async () => {
    const im = createImServer({ authenticate: authenticateByToken })
    const http = createServer(withApp(im))
    im.attach(http)
    const port = await listen(http)
    const knock = async (): Promise<readonly [number, unknown, string | undefined]> => {
      const connection = await HttpConnection.open(port)
      const handshake = [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ]
      const { status, headers, body } = await connection.request(rawRequest('GET', '/ws/chat', { headers: handshake }))
      connection.end()
      return [status, status === 101 ? undefined : (JSON.parse(body) as { code: string }).code, headers.get('retry-after')]
    }
    const me = async (): Promise<number> => {
      const connection = await HttpConnection.open(port)
      const { status } = await connection.request(rawRequest('GET', '/api/im/offline/summary'))
      connection.end()
      return status
    }
    expect(await knock()).toEqual([503, 'UNAVAILABLE', '1'])
    expect(await me()).toBe(503)
    await im.start()
    expect((await knock())[0]).toBe(101)
    expect(await me()).toBe(200)
    const holdout = await RawConnection.open(`ws://127.0.0.1:${port}/ws/chat`, 5_000)
    const draining = im.drain({ spreadMs: 300 })
    expect(await knock()).toEqual([503, 'DRAINING', '1'])
    expect((await holdout.takeClose()).code).toBe(1012)
    await draining
    expect(http.listenerCount('upgrade')).toBe(0)
    expect(await me()).toBe(503)
  })
})

describe('the router', () => {
  // The demo is where both Expresses are installed in this repository.
  const load = createRequire(new URL('../examples/demo/package.json', import.meta.url)) as (
    name: string,
  ) => (...args: readonly unknown[]) => ExpressApp
  interface ExpressApp extends RequestListener {
    use(...handlers: readonly unknown[]): ExpressApp
    get(path: string, handler: RequestListener): ExpressApp
    post(path: string, handler: RequestListener): ExpressApp
    json(): unknown
  }

  describe.each([
    ['Express 5', 'express'],
    ['Express 4', 'express4'],
  ])('in %s', (_name, module) => {
    const express = load(module)

    it.each([
      ['without a body parser', false, ''],
      ['behind express.json()', true, ''],
      ['under a mount path', false, '/im'],
      ['under a mount path behind express.json()', true, '/im'],
    ])('%s', async (_case, parses, mount) => {
      const app = express()
      const im = await startIm()
      if (parses) app.use((express as unknown as ExpressApp).json())
      if (mount === '') app.use(im.router)
      else app.use(mount, im.router)
      app.get('/own', hostApp)
      const http = createServer(app)
      im.attach(http)
      const port = await listen(http)
      const origin = `http://127.0.0.1:${port}`
      const headers = { authorization: 'Bearer alice', 'content-type': 'application/json' }
      const sent = await fetch(`${origin}${mount}/api/im/messages`, { method: 'POST', headers, body: message })
      expect([sent.status, await sent.json()]).toMatchObject([200, { seq: 1 }])
      const history = await fetch(`${origin}${mount}/api/chat/messages/session/${encodeURIComponent('d~alice~bob')}`, { headers })
      expect(await history.json()).toMatchObject({ messages: [{ seq: 1, body: { text: 'über h2c ✓' } }] })
      const bad = await fetch(`${origin}${mount}/api/im/messages`, { method: 'POST', headers, body: '{"toUserId":' })
      expect(bad.status).toBe(400)
      expect(await (await fetch(`${origin}/own`, { headers })).json()).toMatchObject({ host: 'GET /own' })
      expect((await fetch(`${origin}/nowhere`)).status).toBe(404)
      expect((await fetch(`${origin}${mount}/api/im/me`)).status).toBe(401)
      expect(await converse(`ws://127.0.0.1:${port}/ws/chat`)).toBe(2)
      const connection = await HttpConnection.open(port)
      cleanups.push(() => connection.end())
      const offered = await connection.request(rawRequest('POST', `${mount}/api/im/messages`, { headers: h2c, body: message }))
      expect(JSON.parse(offered.body)).toMatchObject({ seq: 3 })
    })
  })

  it('in plain http answers 404 to what nobody serves', async () => {
    const im = await startIm()
    const http = createServer(im.router)
    im.attach(http)
    const port = await listen(http)
    const answer = await fetch(`http://127.0.0.1:${port}/nowhere`)
    expect([answer.status, answer.headers.get('content-type'), await answer.json()]).toMatchObject([
      404,
      'application/problem+json',
      { code: 'NOT_FOUND' },
    ])
    expect(await converse(`ws://127.0.0.1:${port}/ws/chat`)).toBe(1)
  })

  it('moves with basePath, WebSocket and all', async () => {
    const im = await startIm({ basePath: '/deep/im' })
    const http = createServer(withApp(im))
    im.attach(http)
    const port = await listen(http)
    const headers = { authorization: 'Bearer alice' }
    expect(await (await fetch(`http://127.0.0.1:${port}/deep/im/api/im/me`, { headers })).json()).toMatchObject({ userId: 'alice' })
    expect(await (await fetch(`http://127.0.0.1:${port}/api/im/me`, { headers })).json()).toMatchObject({ host: 'GET /api/im/me' })
    expect(await converse(`ws://127.0.0.1:${port}/deep/im/ws/chat`)).toBe(1)
    await expect(RawConnection.open(`ws://127.0.0.1:${port}/ws/chat`, 2_000)).rejects.toThrow('200')
  })
})

describe('over TLS', () => {
  it('REST, WebSocket and offers of h2c work as without', async () => {
    const im = await startIm()
    const https = createHttpsServer(selfSigned('localhost'), withApp(im))
    im.attach(https as unknown as Server)
    const port = await listen(https)
    const ws = new WebSocket(`wss://127.0.0.1:${port}/ws/chat`, 'v12.stomp', { rejectUnauthorized: false })
    cleanups.push(() => ws.terminate())
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject))
    ws.send(
      frame('CONNECT', [
        ['accept-version', '1.2'],
        ['passcode', 'alice'],
      ]),
    )
    const connected = await new Promise<string>((resolve) => ws.once('message', (data) => resolve(String(data))))
    expect(connected).toMatch(/^CONNECTED\n/)
    const connection = await HttpConnection.open(port, true)
    cleanups.push(() => connection.end())
    expect((await connection.request(rawRequest('GET', '/api/im/me', { headers: h2c }))).status).toBe(200)
    const sent = await connection.request(rawRequest('POST', '/api/im/messages', { headers: h2c, body: message }))
    expect(JSON.parse(sent.body)).toMatchObject({ seq: 1 })
    expect((await connection.request(rawRequest('GET', '/own'))).body).toContain('"host":"GET /own"')
  })
})

describe('letting go', () => {
  it('takes our listeners away and leaves others’', async () => {
    const im = createImServer({ authenticate: authenticateByToken })
    const [one, two] = [createServer(im.router), createServer(im.router)]
    const others = (): void => undefined
    one.on('upgrade', others)
    const detach = im.attach(one)
    im.attach(one)
    im.attach(two)
    expect([one.listenerCount('upgrade'), two.listenerCount('upgrade')]).toEqual([2, 1])
    detach()
    detach()
    expect(one.listeners('upgrade')).toEqual([others])
    im.attach(one)
    await im.start()
    await im.close()
    await im.close()
    expect([one.listeners('upgrade'), two.listenerCount('upgrade')]).toEqual([[others], 0])
  })

  it.each([
    ['construct', ['done']],
    ['close', ['client 1012', 'listeners 0', 'done']],
    ['drain', ['client 1012', 'listeners 0', 'done']],
  ])('after %s the process ends by itself', async (how, lines) => {
    const script = new URL('./support/closes-cleanly.ts', import.meta.url).pathname
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, how], { timeout: 20_000 })
    expect(stdout.trim().split('\n')).toEqual(lines)
  })
})
