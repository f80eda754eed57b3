import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createRouter } from '../../src/http/index.js'
import { createWorld, problemFields, routerOptions, serve, serveWorld } from './rest-server.js'

const LIMIT = 64 * 1024
const send = { toUserId: 'bob', body: { type: 'text', text: '你好' } }
const post = (server: { call: (method: string, path: string, options: object) => Promise<unknown> }, body: unknown, headers = {}) =>
  server.call('POST', '/api/im/messages', { user: 'alice', body, headers }) as Promise<{
    status: number
    json: { detail: string; code: string }
  }>

/** A server whose requests pass `before` (a body parser) on their way to the router. */
async function behind(before: (req: IncomingMessage & { body?: unknown }) => Promise<void> | void) {
  const router = createRouter(routerOptions(createWorld()))
  return serve((req, res) => void Promise.resolve(before(req)).then(() => router(req, res)))
}

async function bytesOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('the media type of a write', () => {
  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"', 'application/json ; boundary=x'])(
    'may be %s',
    async (type) => expect((await post(await serveWorld(), send, { 'content-type': type })).status).toBe(200),
  )

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/json5',
    'text/json',
    'application/json; charset=gbk',
  ])('may not be %s', async (type) => {
    const answer = await post(await serveWorld(), send, { 'content-type': type })
    expect(answer.json).toMatchObject(problemFields('UNSUPPORTED_MEDIA_TYPE', 415))
  })

  it('must be said, also for a body that a parser has read', async () => {
    const server = await behind(async (req) => {
      req.body = JSON.parse(String(await bytesOf(req)))
    })
    const answer = await post(server, send, { 'content-type': 'text/plain' })
    expect(answer.json).toMatchObject(problemFields('UNSUPPORTED_MEDIA_TYPE', 415))
    const socketAnswer = await overSocket(
      server.port,
      'POST /api/im/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: 2\r\n\r\n{}',
    )
    expect(socketAnswer).toMatch(/^HTTP\/1\.1 415 /)
  })

  it('may not be compressed where no parser ran', async () => {
    const server = await serveWorld()
    const response = await fetch(`http://127.0.0.1:${server.port}/api/im/messages`, {
      method: 'POST',
      headers: { authorization: 'Bearer alice', 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: new Uint8Array(gzipSync(JSON.stringify(send))),
    })
    expect(await response.json()).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'The body must not be compressed.' })
  })
})

describe('a body that nobody has read', () => {
  it.each(['', '{', '{"a":1}x', 'undefined', '{"a":\u0001}', "{'a':1}"])('is INVALID_REQUEST when it is %j', async (text) => {
    const answer = await post(await serveWorld(), text)
    expect(answer.json).toMatchObject({ ...problemFields('INVALID_REQUEST', 400), detail: 'The body is not valid JSON in UTF-8.' })
  })

  it('is INVALID_REQUEST when it is not UTF-8', async () => {
    const server = await serveWorld()
    const response = await fetch(`http://127.0.0.1:${server.port}/api/im/messages`, {
      method: 'POST',
      headers: { authorization: 'Bearer alice', 'content-type': 'application/json' },
      body: Buffer.concat([Buffer.from('{"toUserId":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
    })
    expect(await response.json()).toMatchObject({ code: 'INVALID_REQUEST', detail: 'The body is not valid JSON in UTF-8.' })
  })

  it('is answered whatever JSON it is, with 200 or 400', async () => {
    const server = await serveWorld()
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 3 }), async (text) => {
        expect([200, 400]).toContain((await post(server, text)).status)
      }),
      { numRuns: 60 },
    )
    expect(server.world.logged).toEqual([])
  })

  it('is joined from its chunks, also in the middle of a character', async () => {
    const server = await serveWorld()
    const bytes = Buffer.from(JSON.stringify(send))
    const socket = connect(server.port, '127.0.0.1')
    const at = bytes.indexOf(Buffer.from('你')) + 1
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${at.toString(16)}\r\n`)
    socket.write(bytes.subarray(0, at))
    await once(socket, 'ready')
    socket.write(
      Buffer.concat([Buffer.from(`\r\n${(bytes.length - at).toString(16)}\r\n`), bytes.subarray(at), Buffer.from('\r\n0\r\n\r\n')]),
    )
    const [answer] = await once(socket, 'data')
    socket.destroy()
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
    const page = await server.world.app.conversations.summary('alice')
    expect(page.conversations[0]?.lastMessage?.preview).toBe('你好')
  })

  it('may have the limit and not a byte more', async () => {
    const server = await serveWorld()
    const padded = (bytes: number) => {
      const json = JSON.stringify(send)
      return json + ' '.repeat(bytes - Buffer.byteLength(json))
    }
    expect((await post(server, padded(LIMIT))).status).toBe(200)
    expect((await post(server, padded(LIMIT + 1))).json).toMatchObject({
      ...problemFields('TOO_LARGE', 413),
      detail: expect.stringContaining('65536'),
    })
  })

  it('is refused at its declared length, before it has come', async () => {
    const server = await serveWorld()
    const answer = await overSocket(server.port, `${head}Content-Length: 70000000\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('is refused when it grows over the limit undeclared; the rest is thrown away and the connection lives on', async () => {
    const server = await serveWorld()
    const socket = connect(server.port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
    })
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`)
    await vi.waitFor(() => expect(answer).toMatch(/^HTTP\/1\.1 413 /))
    socket.write(`${chunk.repeat(5)}0\r\n\r\nGET /api/im/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n\r\n`)
    await vi.waitFor(() => expect(answer).toContain('"userId":"alice"'))
    socket.destroy()
  })

  it.each([
    ['too large', `Authorization: Bearer alice\r\nContent-Type: application/json\r\n`, '413'],
    ['of nobody', `Content-Type: application/json\r\n`, '401'],
    ['of another type', `Authorization: Bearer alice\r\nContent-Type: text/plain\r\n`, '415'],
  ])('ends the connection when it is %s and does not end', async (_what, headers, status) => {
    const server = await serveWorld()
    const socket = connect(server.port, '127.0.0.1')
    let closed = false
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
    })
    socket
      .on('error', () => {})
      .on('close', () => {
        closed = true
      })
    socket.write(`POST /api/im/messages HTTP/1.1\r\nHost: x\r\n${headers}Transfer-Encoding: chunked\r\n\r\n`)
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    // Sent up to ten times what is thrown away; whoever reads on forever never closes.
    for (let i = 0; i < 160 && !closed; i++) await new Promise<void>((resolve) => socket.write(chunk, () => resolve()))
    await vi.waitFor(() => expect(closed).toBe(true))
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  it('does no harm when the client goes away in the middle of it', async () => {
    const server = await serveWorld()
    const arrived = once(server.http, 'request')
    const socket = connect(server.port, '127.0.0.1')
    socket.write(`${head}Content-Length: 100\r\n\r\n{"a":`)
    const [req] = (await arrived) as [IncomingMessage]
    const closed = new Promise((resolve) => req.on('close', resolve))
    socket.destroy()
    await closed
    await server.world.clock.settle()
    expect(server.world.logged).toEqual([])
    expect((await server.call('GET', '/api/im/me', { user: 'alice' })).status).toBe(200)
  })
})

describe('a body that something in front has read', () => {
  it('is taken from req.body, as express.json() leaves it', async () => {
    const server = await behind(async (req) => {
      req.body = JSON.parse(String(await bytesOf(req)))
    })
    expect((await post(server, send)).status).toBe(200)
    expect((await post(server, '[]')).json).toMatchObject(problemFields('INVALID_REQUEST', 400))
  })

  it.each([
    ['express.raw()', (bytes: Buffer) => bytes],
    ['express.text()', (bytes: Buffer) => String(bytes)],
  ])('is parsed when it is what %s leaves', async (_what, leave) => {
    const server = await behind(async (req) => {
      req.body = leave(await bytesOf(req))
    })
    expect((await post(server, send)).status).toBe(200)
    expect((await post(server, '{')).json).toMatchObject({ code: 'INVALID_REQUEST', detail: 'The body is not valid JSON in UTF-8.' })
  })

  it('is TOO_LARGE although a parser with a higher limit let it pass', async () => {
    const server = await behind(async (req) => {
      req.body = JSON.parse(String(await bytesOf(req)))
    })
    expect((await post(server, JSON.stringify(send) + ' '.repeat(LIMIT))).json).toMatchObject(problemFields('TOO_LARGE', 413))
  })

  it('is INVALID_REQUEST with a sentence when nothing was left behind', async () => {
    const server = await behind(async (req) => {
      await bytesOf(req)
    })
    const answer = await post(server, send)
    expect(answer.json).toMatchObject(problemFields('INVALID_REQUEST', 400))
    expect(answer.json.detail).toContain('left no req.body')
  })

  it('is read from the stream when a parser of another type set req.body = {} and left the stream alone', async () => {
    const server = await behind((req) => {
      req.body = {}
    })
    expect((await post(server, send)).status).toBe(200)
  })

  it('is taken from req.body when the stream was replaced by it', async () => {
    const server = await behind((req) => {
      req.body = send
    })
    const answer = await overSocket(server.port, `${head}Content-Length: 0\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })
})

const head = 'POST /api/im/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\n'

/** The first answer to a hand-written request. */
async function overSocket(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1', () => socket.write(request))
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return String(answer)
}
