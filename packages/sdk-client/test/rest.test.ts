import { describe, expect, it } from 'vitest'
import { ImError, type TokenContext } from '../src/index.js'
import { endingOf, errorOf } from '../src/failure.js'
import { harness } from './support/harness.js'

describe('request', () => {
  it('names token, query and body, and answers the JSON', async () => {
    const seen: RequestInit[] = []
    const { im, server } = harness({
      fetch: (async (input: string, init: RequestInit) => {
        seen.push(init)
        return server.fetch(input, init)
      }) as typeof fetch,
    })
    server.onRequest = () => Response.json({ groupId: 'g' }, { status: 201 })
    expect(await im.request('POST', '/api/im/groups', { body: { name: 'n' }, query: { a: 1, b: undefined } })).toEqual({ groupId: 'g' })
    expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/api/im/groups', body: { name: 'n' } })
    expect(server.requests[0]?.query.toString()).toBe('a=1')
    expect(seen[0]?.headers).toEqual({ authorization: 'Bearer t-alice', 'content-type': 'application/json' })
  })

  it('renews a rejected token once and repeats the call', async () => {
    const reasons: TokenContext['reason'][] = []
    const { im, server } = harness({
      getToken: ({ reason }) => {
        reasons.push(reason)
        return `t-${reasons.length}`
      },
    })
    let calls = 0
    server.onRequest = () => (++calls === 1 ? Response.json({ code: 'TOKEN_EXPIRED' }, { status: 401 }) : Response.json({ ok: true }))
    expect(await im.request('GET', '/api/im/me')).toEqual({ ok: true })
    server.onRequest = () => {
      calls++
      return Response.json({ code: 'UNAUTHORIZED' }, { status: 401 })
    }
    await expect(im.request('GET', '/api/im/me')).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect([calls, reasons]).toEqual([4, ['initial', 'rejected', 'rejected']])
  })

  it('asks a provider that says UNAUTHORIZED once', async () => {
    let calls = 0
    const { im } = harness({
      getToken: () => {
        calls++
        throw new ImError('UNAUTHORIZED')
      },
    })
    await expect(im.request('GET', '/x')).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect(calls).toBe(1)
  })

  it.each([
    [502, 'UNAVAILABLE', 'later'],
    [429, 'UNAVAILABLE', 'later'],
    [404, 'UNAVAILABLE', 'later'],
    [403, 'UNAVAILABLE', 'later'],
    [401, 'UNAUTHORIZED', 'never'],
  ] as const)("takes a proxy's %i without a problem document as %s", async (status, code, retry) => {
    const { im, server } = harness()
    server.onRequest = () => new Response('<html>', { status })
    await expect(im.request('GET', '/x')).rejects.toMatchObject({ code, retry, detail: `HTTP ${status}` })
  })

  it('gives up after 15 s, and at once by its signal', async () => {
    const hang = ((_: string, { signal }: { signal: AbortSignal }) =>
      new Promise((_resolve, reject) => {
        if (signal.aborted) reject(new Error('aborted'))
        signal.addEventListener('abort', () => reject(new Error('aborted')))
      })) as unknown as typeof fetch
    const { im, clock } = harness({ fetch: hang })
    const slow = im.request('GET', '/x')
    await clock.advance(15_000)
    await expect(slow).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const controller = new AbortController()
    const cancelled = im.request('GET', '/x', { signal: controller.signal })
    controller.abort()
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(clock.pending).toBe(0)
  })
})

describe('failures', () => {
  it('knows a code of a newer server by its retry', () => {
    const ofTheFuture = (retry: 'never' | 'later') => errorOf({ code: 'NEW_CODE' as never, title: 'New.', retry, retryAfterMs: 5 })
    expect(ofTheFuture('never')).toMatchObject({ code: 'REJECTED', retry: 'never', detail: 'NEW_CODE: New.' })
    expect(ofTheFuture('later')).toMatchObject({ code: 'UNAVAILABLE', retry: 'later', retryAfterMs: 5 })
  })
  it.each([
    [1006, undefined, 'lost', 'OFFLINE'],
    [1006, 'UNAUTHORIZED', 'refused', 'UNAUTHORIZED'],
    [1006, 'TOKEN_EXPIRED', 'expired', 'TOKEN_EXPIRED'],
    [4010, undefined, 'expired', 'TOKEN_EXPIRED'],
    [4004, 'UNAVAILABLE', 'lost', 'UNAVAILABLE'],
    [4512, undefined, 'refused', 'UNSUPPORTED'],
    [4999, undefined, 'refused', 'FORBIDDEN'],
    [5000, undefined, 'lost', 'OFFLINE'],
  ] as const)('takes close %i after ERROR %s as %s', (close, told, type, code) => {
    expect(endingOf(close, '', told && new ImError(told))).toMatchObject({ type, error: { code } })
  })
})

describe('listeners', () => {
  it('hear once, until their signal, and not after their undo', async () => {
    const { im } = harness()
    const heard: string[] = []
    const controller = new AbortController()
    im.on('connection', () => heard.push('once'), { once: true })
    im.on('connection', () => heard.push('signal'), { signal: controller.signal })
    im.on('connection', () => heard.push('never'), { signal: AbortSignal.abort() })
    const off = im.on('connection', () => heard.push('off'))
    await im.connect()
    controller.abort()
    off()
    off()
    await im.disconnect()
    expect(heard).toEqual(['once', 'signal', 'off', 'signal', 'off'])
  })
})
