import { isImError } from '@innerline/protocol'
import fc from 'fast-check'
import { base64url, decodeJwt, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { Tokens } from '../../src/accounts/tokens.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

// Long enough for HS512, so that only the pinned algorithm stands between it and us.
const secret = 'a secret of thirty-two bytes or more'.repeat(2)
const key = new TextEncoder().encode(secret)

function world(ttlMs = 60_000) {
  const clock = new TestClock(1_700_000_000_500)
  const ids = new TestIds()
  return { clock, tokens: new Tokens({ secret, ttlMs, clock, ids }) }
}

const good = { iss: 'innerline', aud: 'innerline', sub: 'alice', ut: 'user', exp: 1_700_000_060, jti: 'j' }
const sign = (claims: object, header = { alg: 'HS256' }, signingKey = key) =>
  new SignJWT({ ...claims }).setProtectedHeader(header).sign(signingKey)

describe('Tokens', () => {
  it('say again whom they were given to', async () => {
    const { tokens } = world()
    const { token, expiresAt } = await tokens.issue({ userId: 'a.b@c|d', userType: 'agent', deviceId: 'phone', roles: ['admin'] })
    expect(await tokens.verify(token)).toEqual({ userId: 'a.b@c|d', userType: 'agent', deviceId: 'phone', roles: ['admin'], expiresAt })
    expect(expiresAt).toBe(1_700_000_060_000)
  })

  it('have the claims of the contract and ids of their own', async () => {
    const { tokens } = world()
    const claims = await Promise.all([1, 2].map(async () => decodeJwt((await tokens.issue({ userId: 'alice', userType: 'user' })).token)))
    expect(claims[0]).toEqual({ iss: 'innerline', aud: 'innerline', sub: 'alice', ut: 'user', exp: 1_700_000_060, jti: expect.any(String) })
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti)
  })

  it('end when they say', async () => {
    const { tokens, clock } = world()
    const { token, expiresAt } = await tokens.issue({ userId: 'alice', userType: 'user' })
    await clock.advance(expiresAt - clock.now() - 1)
    expect(await tokens.verify(token)).toMatchObject({ userId: 'alice' })
    await clock.advance(1)
    expect(isImError(await tokens.verify(token).catch((error: unknown) => error), 'TOKEN_EXPIRED')).toBe(true)
  })

  it("count by the clock they were given, not the machine's", async () => {
    const clock = new TestClock(1_000_000_000_000)
    const tokens = new Tokens({ secret, ttlMs: 1_000, clock, ids: new TestIds() })
    expect(await tokens.verify((await tokens.issue({ userId: 'alice', userType: 'user' })).token)).not.toBeNull()
  })

  it('are accepted as a baseline for the refusals below', async () => {
    expect(await world().tokens.verify(await sign(good))).toMatchObject({ userId: 'alice' })
  })

  it.each(['iss', 'aud', 'sub', 'ut', 'exp', 'jti'])("are nobody's without %s", async (claim) => {
    const { [claim as keyof typeof good]: _left, ...rest } = good
    expect(await world().tokens.verify(await sign(rest))).toBeNull()
  })

  it.each([
    ['another issuer', { iss: 'host' }],
    ['another audience', { aud: 'host' }],
    ['a subject that is no user id', { sub: 'a"b' }],
    ['an unknown user type', { ut: 'robot' }],
    ['a time that is no number', { exp: 'tomorrow' }],
  ])("are nobody's with %s", async (_what, claims) => {
    expect(await world().tokens.verify(await sign({ ...good, ...claims }))).toBeNull()
  })

  it("are nobody's with another key or algorithm", async () => {
    const { tokens } = world()
    expect(await tokens.verify(await sign(good, { alg: 'HS256' }, new TextEncoder().encode('x'.repeat(32))))).toBeNull()
    expect(await tokens.verify(await sign(good, { alg: 'HS512' }))).toBeNull()
    expect(await tokens.verify(await sign(good, { alg: 'HS384' }))).toBeNull()
    expect(await tokens.verify(new UnsecuredJWT(good).encode())).toBeNull()
  })

  it('do not tell that a forged one has expired', async () => {
    const forged = await sign({ ...good, exp: 1 }, { alg: 'HS256' }, new TextEncoder().encode('x'.repeat(32)))
    expect(await world().tokens.verify(forged)).toBeNull()
  })

  it("are nobody's after any change, and whatever text is no token", async () => {
    const { tokens } = world()
    const { token } = await tokens.issue({ userId: 'alice', userType: 'user' })
    const [header = '', payload = '', signature = ''] = token.split('.')
    await fc.assert(
      fc.asyncProperty(fc.nat(payload.length - 1), fc.constantFrom(...'ABab01-_'), async (at, letter) => {
        const changed = payload.slice(0, at) + letter + payload.slice(at + 1)
        fc.pre(changed !== payload)
        expect(await tokens.verify(`${header}.${changed}.${signature}`)).toBeNull()
      }),
      { numRuns: 40 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.array(fc.string()).map((parts) => parts.map((part) => base64url.encode(part)).join('.')),
        ),
        async (text) => {
          expect(await tokens.verify(text)).toBeNull()
        },
      ),
      { numRuns: 60 },
    )
  })
})
