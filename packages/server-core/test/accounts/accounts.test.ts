import { type ErrorCode, isImError, type LoginRequest } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { type AccountsDeps, createAccounts, type NewUser } from '../../src/accounts/index.js'
import { createRouter } from '../../src/http/index.js'
import { memoryRateLimiter } from '../../src/memory/index.js'
import { createWorld, problemFields, routerOptions, serve } from '../http/rest-server.js'
import { cheapHash } from './cheap-hash.js'

const secret = 'a secret of thirty-two bytes or more'
const alice: NewUser = { userId: 'alice', userType: 'user', displayName: 'Alice', password: 'wonderland' }
const bob: NewUser = { userId: 'bob', userType: 'agent', displayName: 'Bob 王', password: 'builder', roles: ['admin'] }

async function open(options: Partial<AccountsDeps> = {}) {
  const world = createWorld()
  const { storage, clock, ids } = world
  const accounts = createAccounts({ storage, clock, ids, limiter: memoryRateLimiter({ clock }), secret, ...options })
  for (const { password, roles = [], ...user } of [alice, bob]) await storage.putUser({ ...user, roles, passwordHash: cheapHash(password) })
  const router = createRouter({ ...routerOptions(world), authenticate: accounts.authenticate, directory: accounts.directory, accounts })
  const server = await serve((req, res) => router(req, res))
  const login = (username: string, password: string, more: object = {}) =>
    server.call('POST', '/api/im/auth/login', { body: { username, password, ...more } })
  return { world, accounts, server, login }
}

const codeOf = async (promise: Promise<unknown>): Promise<ErrorCode | undefined> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isImError(error) ? error.code : undefined
}

describe('signing in', () => {
  it('gives a token that opens the other routes', async () => {
    const { world, server, login } = await open()
    const { status, json } = await login('bob', 'builder', { deviceId: 'phone' })
    expect(status).toBe(200)
    expect(json).toEqual({
      token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      tokenType: 'Bearer',
      expiresAt: Math.floor((world.clock.now() + 12 * 3_600_000) / 1_000) * 1_000,
      user: { userId: 'bob', userType: 'agent', displayName: 'Bob 王' },
    })
    const me = await server.call('GET', '/api/im/me', { user: json.token })
    expect(me.json).toEqual({ ...json.user, deviceId: 'phone', roles: ['admin'], expiresAt: json.expiresAt })
    await world.clock.advance(12 * 3_600_000)
    expect((await server.call('GET', '/api/im/me', { user: json.token })).json).toMatchObject(problemFields('TOKEN_EXPIRED', 401))
    expect((await server.call('GET', '/api/im/me', { user: `${json.token}x` })).json).toMatchObject(problemFields('UNAUTHORIZED', 401))
    expect((await server.call('GET', '/api/im/me')).json).toMatchObject(problemFields('UNAUTHORIZED', 401))
  })

  it('answers a wrong name and a wrong password the same', async () => {
    const { login } = await open()
    const answers = await Promise.all([
      login('alice', 'builder'),
      login('Alice', 'wonderland'),
      login('nobody', 'x'),
      login('no body"', 'x'),
    ])
    for (const { json, headers } of answers) {
      expect(json).toMatchObject({ ...problemFields('UNAUTHORIZED', 401), detail: 'The user name or the password is wrong.' })
      expect({ ...json, requestId: '' }).toEqual({ ...answers[0]?.json, requestId: '' })
      expect(headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  it('does not let a storage that ignores case sign somebody in under another spelling', async () => {
    const { world } = await open()
    const { storage, clock, ids } = world
    const lax = { ...storage, readUsers: (userIds: readonly string[]) => storage.readUsers(userIds.map((id) => id.toLowerCase())) }
    const accounts = createAccounts({ storage: lax, clock, ids, limiter: memoryRateLimiter({ clock }), secret })
    expect(await codeOf(accounts.login({ username: 'ALICE', password: 'wonderland' }, undefined))).toBe('UNAUTHORIZED')
    expect(await codeOf(accounts.login({ username: 'alice', password: 'wonderland' }, undefined))).toBeUndefined()
  })

  it('allows 60 attempts from an address, whatever the names, and then one a second', async () => {
    const { world } = await open()
    const { storage, clock, ids } = world
    const limiter = memoryRateLimiter({ clock })
    const accounts = createAccounts({ storage, clock, ids, limiter, secret })
    // Sixty hashes would take seconds; what they leave behind is this.
    for (let i = 0; i < 60; i++) await limiter.take('login:10.0.0.9', { perSecond: 1, burst: 60 })
    const attempt = (username: string, ip: string) => codeOf(accounts.login({ username, password: 'x' }, ip))
    expect(await attempt('nobody-1', '10.0.0.9')).toBe('RATE_LIMITED')
    expect(await attempt('nobody-2', '10.0.0.10')).toBe('UNAUTHORIZED')
    await clock.advance(1_000)
    expect(await attempt('nobody-3', '10.0.0.9')).toBe('UNAUTHORIZED')
  })

  it('allows 10 attempts a minute at a name from an address', async () => {
    const { accounts, world } = await open()
    const attempt = (username: string, ip: string | undefined) => codeOf(accounts.login({ username, password: 'wrong' }, ip))
    const first = await Promise.all(Array.from({ length: 11 }, () => attempt('alice', '10.0.0.1')))
    expect(first).toEqual([...Array(10).fill('UNAUTHORIZED'), 'RATE_LIMITED'])
    expect(await codeOf(accounts.login({ username: 'alice', password: 'wonderland' }, '10.0.0.1'))).toBe('RATE_LIMITED')
    expect(await attempt('alice', '10.0.0.2')).toBe('UNAUTHORIZED')
    expect(await attempt('bob', '10.0.0.1')).toBe('UNAUTHORIZED')
    await world.clock.advance(5_999)
    expect(await attempt('alice', '10.0.0.1')).toBe('RATE_LIMITED')
    await world.clock.advance(1)
    expect(await attempt('alice', '10.0.0.1')).toBe('UNAUTHORIZED')
    expect(await attempt('alice', '10.0.0.1')).toBe('RATE_LIMITED')
  })

  it('says when to come back', async () => {
    const { login } = await open()
    for (let i = 0; i < 10; i++) await login('alice', 'x')
    const { json, headers } = await login('alice', 'x')
    expect(json).toMatchObject({ ...problemFields('RATE_LIMITED', 429), retryAfterMs: 6_000 })
    expect(headers.get('retry-after')).toBe('6')
  })

  it("goes by Express's req.ip where there is one", async () => {
    const { world, accounts } = await open()
    const seen: (string | undefined)[] = []
    const spy = {
      login: (request: LoginRequest, ip: string | undefined) => {
        seen.push(ip)
        return accounts.login(request, ip)
      },
    }
    const router = createRouter({ ...routerOptions(world), accounts: spy })
    let ip: string | undefined = '203.0.113.9'
    const server = await serve((req, res) => router(Object.assign(req, { ip }), res))
    const headers = { 'x-forwarded-for': '198.51.100.1' }
    await server.call('POST', '/api/im/auth/login', { body: { username: 'alice', password: 'x' }, headers })
    ip = undefined
    await server.call('POST', '/api/im/auth/login', { body: { username: 'alice', password: 'x' }, headers })
    expect(seen).toEqual(['203.0.113.9', '127.0.0.1'])
  })

  it('checks the shape of a request without repeating it', async () => {
    const { server, world } = await open()
    const bodies = [
      {},
      { username: 'alice' },
      { username: '', password: 'hunter2' },
      { username: 'alice', password: ['hunter2'] },
      { username: 'alice', password: 'hunter2', deviceId: 'a b' },
    ]
    for (const body of bodies) {
      const answer = await server.call('POST', '/api/im/auth/login', { body })
      expect(answer.json).toMatchObject(problemFields('INVALID_REQUEST', 400))
      expect(answer.text).not.toContain('hunter2')
    }
    expect(world.logged).toEqual([])
  })
})

describe('ensureUsers', () => {
  it('creates who is missing and leaves the others as they are', async () => {
    const { accounts, world, login } = await open()
    const [before] = await world.storage.readUsers(['alice'])
    expect(before?.passwordHash).not.toContain('wonderland')
    await accounts.ensureUsers([
      { ...alice, password: 'changed' },
      { ...alice, userId: 'carol' },
      { ...alice, userId: 'carol', password: 'second' },
    ])
    expect(await world.storage.readUsers(['alice'])).toEqual([before])
    expect((await login('carol', 'wonderland')).status).toBe(200)
    expect((await login('alice', 'changed')).status).toBe(401)
  })

  it('creates the users of the option by itself', async () => {
    const { accounts, login } = await open({ users: [{ ...bob, userId: 'dora' }] })
    expect((await login('dora', 'builder')).status).toBe(401)
    await accounts.ensureUsers()
    expect((await login('dora', 'builder')).json.user).toEqual({ userId: 'dora', userType: 'agent', displayName: 'Bob 王' })
  })

  it.each([
    [{ userId: 'a b' }, /userId "a b"/],
    [{ userType: 'robot' as 'user' }, /userType of alice/],
    [{ displayName: '' }, /alice in accounts\.users needs a displayName/],
    [{ password: '' }, /password of alice/],
    [{ password: 'x'.repeat(257) }, /password of alice/],
  ])('says what is unfit about %j', async (change, sentence) => {
    const { accounts } = await open()
    await expect(accounts.ensureUsers([{ ...alice, ...change }])).rejects.toThrow(sentence)
    await expect(open({ users: [{ ...alice, ...change }] })).rejects.toThrow(sentence)
  })
})

describe('options', () => {
  it('want a secret that cannot be guessed, and a lifetime', async () => {
    await expect(open({ secret: 'x'.repeat(31) })).rejects.toThrow('accounts.secret must have at least 32 bytes')
    await expect(open({ secret: undefined as unknown as string })).rejects.toThrow('accounts.secret')
    await expect(open({ secret: '密'.repeat(11), users: [] })).resolves.toBeDefined()
    await expect(open({ tokenTtlMs: 0 })).rejects.toThrow('accounts.tokenTtlMs')
    await expect(open({ tokenTtlMs: Number.NaN })).rejects.toThrow('accounts.tokenTtlMs')
  })

  it('touch nothing at construction', () => {
    const { clock, ids } = createWorld()
    const untouchable = new Proxy({}, { get: () => expect.unreachable('storage was touched') })
    createAccounts({
      storage: untouchable as AccountsDeps['storage'],
      limiter: memoryRateLimiter({ clock }),
      clock,
      ids,
      secret,
      users: [alice],
    })
    expect(clock.pending).toBe(0)
  })
})

describe('the directory', () => {
  it('shows profiles without hashes, and finds people', async () => {
    const { server, login } = await open()
    const { token } = (await login('alice', 'wonderland')).json
    const byId = await server.call('GET', '/api/im/users?ids=bob,zoe', { user: token })
    expect(byId.json).toEqual({ items: [{ userId: 'bob', userType: 'agent', displayName: 'Bob 王' }] })
    expect((await server.call('GET', '/api/im/users?q=AL', { user: token })).json.items).toMatchObject([{ userId: 'alice' }])
    expect((await server.call('GET', '/api/im/users?q=%E7%8E%8B', { user: token })).text).not.toContain('scrypt')
  })
})
