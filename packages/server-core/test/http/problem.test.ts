import { ERROR_TABLE, ERROR_TITLES, type ErrorCode, ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import type { UseCases } from '../../src/http/index.js'
import { problemOf } from '../../src/http/problem.js'
import { problemFields, serveWorld } from './rest-server.js'

const codes = Object.keys(ERROR_TABLE) as ErrorCode[]

/** Use cases of which reading a message throws `error`. */
const failing = (error: unknown): UseCases => {
  const fail = () => Promise.reject(error)
  return {
    send: { execute: fail },
    acknowledge: { now: fail },
    read: { history: fail, offline: fail, byOffset: fail, message: fail },
    conversations: { summary: fail, page: fail },
  }
}
const path = '/api/im/messages/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b'

describe('problem answers', () => {
  it.each(codes.filter((code) => ERROR_TABLE[code].http !== 0))('say %s as the table does', async (code) => {
    const server = await serveWorld({ app: failing(new ImError(code, { detail: 'In particular.', retryAfterMs: 1_001 })) })
    const answer = await server.call('GET', path, { user: 'alice' })
    const { http: status, retry } = ERROR_TABLE[code]
    const title = ERROR_TITLES[code]
    expect(answer.status).toBe(status)
    expect(answer.json).toEqual({
      ...problemFields(code, status),
      title,
      detail: 'In particular.',
      retry,
      retryAfterMs: 1_001,
      requestId: answer.headers.get('x-request-id'),
    })
    expect(answer.headers.get('retry-after')).toBe('2')
  })

  it.each(codes.filter((code) => ERROR_TABLE[code].http === 0))("never say %s, which is the client library's own", (code) => {
    expect(problemOf(new ImError(code, { detail: 'x' }), 'id').body).toEqual(problemOf(new Error('x'), 'id').body)
  })

  it('leave out what is not known', () => {
    const { body, headers } = problemOf(new ImError('FORBIDDEN'), 'id')
    expect(Object.keys(body).sort()).toEqual(['code', 'requestId', 'retry', 'status', 'title', 'type'])
    expect(headers).toEqual({})
  })

  it('carry further fields of an error, which pass for none of ours', () => {
    const extra = { mutedUntil: 5, status: 200, code: 'FINE', requestId: 'forged' }
    expect(problemOf(new ImError('MUTED', { extra }), 'id').body).toMatchObject({
      mutedUntil: 5,
      status: 403,
      code: 'MUTED',
      requestId: 'id',
    })
  })

  it('show nothing of an unknown failure, and log it with the same requestId', async () => {
    const server = await serveWorld({ app: failing(new TypeError('SELECT secret FROM t')) })
    const answer = await server.call('GET', path, { user: 'alice' })
    expect(answer.json).toMatchObject({ ...problemFields('INTERNAL', 500), retry: 'later' })
    expect(answer.text).not.toContain('SELECT')
    expect(server.world.logged).toMatchObject([
      {
        level: 'error',
        fields: { requestId: answer.json.requestId, route: 'GET /api/im/messages/:msgId', err: { message: 'SELECT secret FROM t' } },
      },
    ])
  })

  it.each([undefined, null, 'text', { code: 'FORBIDDEN' }])('are INTERNAL for a thrown %j', async (thrown) => {
    const server = await serveWorld({ app: failing(thrown) })
    expect((await server.call('GET', path, { user: 'alice' })).json).toMatchObject(problemFields('INTERNAL', 500))
  })

  it("do not log what is the caller's own fault", async () => {
    const server = await serveWorld()
    await server.call('GET', '/api/im/conversations?limit=0', { user: 'alice' })
    await server.call('GET', path, { user: 'alice' })
    expect(server.world.logged).toEqual([])
  })
})
