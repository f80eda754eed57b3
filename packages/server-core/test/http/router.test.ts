import { ImError } from '@innerline/protocol'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { createRouter } from '../../src/http/index.js'
import type { AuthContext } from '../../src/ports/index.js'
import { createWorld, problemFields, routerOptions, serve, serveWorld } from './rest-server.js'

describe('what is ours', () => {
  it('goes to next() when it is not, untouched and without authenticating', async () => {
    const world = createWorld()
    const authenticate = vi.fn(() => null)
    const router = createRouter({ ...routerOptions(world), authenticate })
    const server = await serve((req, res) =>
      router(req, res, (error) => res.end(JSON.stringify({ next: true, error, headers: res.getHeaderNames() }))),
    )
    for (const path of ['/', '/api/im', '/api/im/groups', '/api/im/me/', '/api/im/%zz', '/api/im/auth/login', '/api/im/auth/logout']) {
      expect((await server.call('GET', path)).json, path).toEqual({ next: true, headers: [] })
    }
    expect((await server.call('POST', '/api/im/auth/login', { body: {} })).json).toEqual({ next: true, headers: [] })
    expect((await server.call('OPTIONS', '/api/im/me')).json).toEqual({ next: true, headers: [] })
    expect(authenticate).not.toHaveBeenCalled()
  })

  it('does not swallow what the rest of the chain throws', async () => {
    const router = createRouter(routerOptions(createWorld()))
    const server = await serve((req, res) => {
      try {
        router(req, res, () => {
          throw new Error('theirs')
        })
      } catch (error) {
        res.end(JSON.stringify({ thrown: (error as Error).message }))
      }
    })
    expect((await server.call('GET', '/elsewhere')).json).toEqual({ thrown: 'theirs' })
  })

  it('is answered 404 without next()', async () => {
    const server = await serveWorld()
    const answer = await server.call('GET', '/elsewhere')
    expect(answer.status).toBe(404)
    expect(answer.json).toMatchObject(problemFields('NOT_FOUND', 404))
    expect(answer.headers.get('allow')).toBeNull()
  })

  it('follows the base path', async () => {
    const server = await serveWorld({ basePath: '/im/' })
    expect((await server.call('GET', '/im/api/im/me', { user: 'alice' })).json).toMatchObject({ userId: 'alice' })
    expect((await server.call('GET', '/api/im/me', { user: 'alice' })).status).toBe(404)
  })

  it('is found in absolute form, as proxies send it', async () => {
    const server = await serveWorld()
    const head = 'GET http://im.example/api/im/me HTTP/1.1\r\nHost: im.example\r\nAuthorization: Bearer alice\r\nConnection: close\r\n\r\n'
    expect(await raw(server.port, head)).toMatch(/^HTTP\/1\.1 200 .*"userId":"alice"/s)
  })
})

describe('methods', () => {
  it.each([
    ['DELETE', '/api/im/messages', 'POST'],
    ['PUT', '/api/im/me', 'GET, HEAD'],
    ['POST', '/api/im/offline/summary', 'GET, HEAD'],
    ['DELETE', '/api/im/offline/ack', 'GET, HEAD, POST'],
    ['OPTIONS', '/api/im/me', 'GET, HEAD'],
    ['HEAD', '/api/im/messages', 'POST'],
  ])('answers %s %s with NOT_FOUND and what is allowed', async (method, path, allow) => {
    const answer = await (await serveWorld()).call(method, path, { user: 'alice' })
    expect(answer.status).toBe(404)
    expect(answer.headers.get('allow')).toBe(allow)
    if (method !== 'HEAD') expect(answer.json).toMatchObject(problemFields('NOT_FOUND', 404))
  })

  it('answers HEAD as GET without the body', async () => {
    const server = await serveWorld()
    const get = await server.call('GET', '/api/im/me', { user: 'alice' })
    const head = await server.call('HEAD', '/api/im/me', { user: 'alice' })
    expect(head.status).toBe(200)
    expect(head.text).toBe('')
    expect(head.headers.get('content-length')).toBe(String(get.text.length))
  })
})

describe('every answer', () => {
  it('has its own x-request-id and is not stored, and carries neither CORS headers nor cookies', async () => {
    const server = await serveWorld()
    const good = await server.call('GET', '/api/im/me', { user: 'alice', headers: { origin: 'https://evil.example' } })
    const bad = await server.call('GET', '/api/im/me')
    for (const { headers } of [good, bad]) {
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(headers.get('cache-control')).toBe('no-store')
      expect([...headers.keys()].filter((name) => name.startsWith('access-control') || name === 'set-cookie')).toEqual([])
    }
    expect(good.headers.get('x-request-id')).not.toBe(bad.headers.get('x-request-id'))
    expect(bad.json.requestId).toBe(bad.headers.get('x-request-id'))
    expect(good.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(bad.headers.get('content-type')).toBe('application/problem+json')
  })

  it('asks its connection to close while the node drains, and is still given', async () => {
    let draining = false
    const server = await serveWorld({ draining: () => draining })
    expect((await server.call('GET', '/api/im/me', { user: 'alice' })).headers.get('connection')).toBe('keep-alive')
    draining = true
    const answer = await server.call('GET', '/api/im/me', { user: 'alice' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('connection')).toBe('close')
  })

  it.each([
    ['answered', (res: ServerResponse) => res.writeHead(504).end('{"late":true}')],
    [
      'begun to answer',
      (res: ServerResponse) => {
        res.writeHead(504).write('{"late":')
        setImmediate(() => setImmediate(() => setImmediate(() => res.end('true}'))))
      },
    ],
  ])('is left to whoever in front has %s already', async (_what, answer) => {
    const world = createWorld()
    const router = createRouter(routerOptions(world))
    const server = await serve((req, res) => {
      router(req, res)
      answer(res)
    })
    expect(await server.call('GET', '/api/im/me', { user: 'alice' })).toMatchObject({ status: 504, json: { late: true } })
    await world.clock.settle()
    expect(world.logged).toEqual([])
  })
})

describe('authentication', () => {
  it('gets the bearer token, the request and a signal', async () => {
    const contexts: AuthContext[] = []
    const server = await serveWorld({
      authenticate: (context) => {
        contexts.push(context)
        return { userId: 'alice', userType: 'user' }
      },
    })
    await server.call('GET', '/api/im/me', { headers: { authorization: 'bearer  a.b-c~d/e+f= ' } })
    await server.call('GET', '/api/im/me', { headers: { authorization: 'Basic YTpi' } })
    await server.call('GET', '/api/im/me')
    expect(contexts.map(({ token }) => token)).toEqual(['a.b-c~d/e+f=', undefined, undefined])
    expect(contexts[0]).toMatchObject({ transport: 'http', phase: 'request', req: { url: '/api/im/me' }, signal: { aborted: false } })
  })

  it.each([
    ['null', () => null],
    ['nothing at all', () => undefined as unknown as null],
  ])('answers 401 when it says %s', async (_what, authenticate) => {
    const answer = await (await serveWorld({ authenticate })).call('GET', '/api/im/me', { user: 'x' })
    expect(answer.json).toMatchObject({ ...problemFields('UNAUTHORIZED', 401), retry: 'never' })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })

  it('lets an ImError speak for itself', async () => {
    const server = await serveWorld({
      authenticate: async () => {
        throw new ImError('TOKEN_EXPIRED', { detail: 'Yesterday.' })
      },
    })
    const answer = await server.call('GET', '/api/im/me', { user: 'x' })
    expect(answer.json).toMatchObject({ ...problemFields('TOKEN_EXPIRED', 401), detail: 'Yesterday.', retry: 'after-refresh' })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  })

  it('says TOKEN_EXPIRED of a principal whose time is over', async () => {
    const world = createWorld()
    let expiresAt = world.clock.now() + 1
    const router = createRouter({ ...routerOptions(world), authenticate: () => ({ userId: 'alice', userType: 'user', expiresAt }) })
    const server = await serve((req, res) => router(req, res))
    expect((await server.call('GET', '/api/im/me')).status).toBe(200)
    expiresAt = world.clock.now()
    expect((await server.call('GET', '/api/im/me')).json).toMatchObject(problemFields('TOKEN_EXPIRED', 401))
  })

  it.each([
    ['throws', () => Promise.reject(new Error('the directory at ldap://secret is down'))],
    [
      'throws at once',
      () => {
        throw new Error('the directory at ldap://secret is down')
      },
    ],
  ])('answers 503 when it %s, and logs why', async (_what, authenticate) => {
    const server = await serveWorld({ authenticate })
    const answer = await server.call('GET', '/api/im/me', { user: 'x' })
    expect(answer.json).toMatchObject({ ...problemFields('UNAVAILABLE', 503), retry: 'later', retryAfterMs: 1_000 })
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.text).not.toContain('ldap')
    expect(server.world.logged).toMatchObject([
      { level: 'error', message: 'authenticate failed', fields: { requestId: answer.json.requestId } },
    ])
  })

  it('answers 503 when it is late, and aborts it', async () => {
    let signal: AbortSignal | undefined
    const server = await serveWorld({
      authenticate: (context) => {
        signal = context.signal
        return new Promise(() => {})
      },
    })
    const pending = server.call('GET', '/api/im/me', { user: 'x' })
    await vi.waitFor(() => expect(signal).toBeDefined())
    await server.world.clock.advance(9_999)
    expect(signal?.aborted).toBe(false)
    await server.world.clock.advance(1)
    expect((await pending).json).toMatchObject(problemFields('UNAVAILABLE', 503))
    expect(signal?.aborted).toBe(true)
    expect(server.world.clock.pending).toBe(0)
  })

  it('is aborted when the client goes away', async () => {
    let signal: AbortSignal | undefined
    const server = await serveWorld({
      authenticate: (context) => {
        signal = context.signal
        return new Promise(() => {})
      },
    })
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET /api/im/me HTTP/1.1\r\nHost: x\r\n\r\n')
    await vi.waitFor(() => expect(signal).toBeDefined())
    socket.destroy()
    await vi.waitFor(() => expect(signal?.aborted).toBe(true))
  })

  it.each([
    ['userId', { userId: 'a"b', userType: 'user' as const }],
    ['userId', { userId: 7 as unknown as string, userType: 'user' as const }],
    ['userType', { userId: 'alice', userType: 'robot' as 'user' }],
  ])('answers 500 and logs a sentence when its %s is unfit', async (field, principal) => {
    const server = await serveWorld({ authenticate: () => principal })
    expect((await server.call('GET', '/api/im/me')).json).toMatchObject(problemFields('INTERNAL', 500))
    expect(String(server.world.logged[0]?.fields['err'])).toContain(`authenticate returned a ${field}`)
  })

  it('comes before everything that a stranger could probe', async () => {
    const server = await serveWorld()
    const paths = ['/api/im/messages/nonsense', '/api/im/conversations?limit=0', '/api/chat/messages/session/%zz', '/api/im/users?q=a']
    for (const path of paths) expect((await server.call('GET', path)).status, path).toBe(401)
    expect((await server.call('POST', '/api/im/messages', { body: 'not json', headers: { 'content-type': 'text/plain' } })).status).toBe(
      401,
    )
  })
})

/** The whole answer to a hand-written request. */
function raw(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
    })
    socket.on('end', () => resolve(answer)).on('error', reject)
  })
}
