import { isImError } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ackRequest, heartbeatRequest, sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'

function refusal(schema: Parameters<typeof validate>[0], input: unknown): { readonly code: string; readonly detail: string } | undefined {
  try {
    validate(schema, input)
    return undefined
  } catch (error) {
    if (!isImError(error)) throw error
    return { code: error.code, detail: error.detail ?? '' }
  }
}

const text = { type: 'text', text: 'hi' }

describe('validate', () => {
  it.each([
    [{ toUserId: 'a b', body: text }, /^toUserId must be a user id/],
    [{ toUserId: 'bob', body: text, msgId: 'x' }, /^msgId must be a lower-case UUID of version 4 or 7/],
    [{ body: text }, /^The request needs exactly one target/],
    [{ toUserId: 'bob', body: { type: 'video', url: 'ftp://x' } }, /^body.url must be an http\(s\) or host-relative URL/],
    [{ toUserId: 'bob', body: { type: 'poll' } }, /^body must be \{type:'text'/],
    [{ toUserId: 'bob', body: { type: 'x-a', a: JSON.parse('['.repeat(70) + ']'.repeat(70)) as unknown } }, /^body must not be nested/],
    [{ toUserId: 'bob', body: text, mentions: ['ok', 'not ok'] }, /^mentions\.1 /],
    [null, /^The request is invalid/],
  ])('says of %j what is wrong', (input, detail) => {
    expect(refusal(sendRequest, input)).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringMatching(detail) })
  })

  it('never quotes a value', () => {
    const secret = 'S3CRET-value'
    for (const input of [
      { toUserId: `${secret} `, body: text },
      { toUserId: 'bob', body: { type: secret } },
      { toUserId: 'bob', body: { type: 'image', url: `javascript:${secret}` } },
      { conversationId: secret, body: text },
    ]) {
      expect(refusal(sendRequest, input)?.detail).not.toContain(secret)
    }
  })

  it('drops fields it does not know', () => {
    const request = validate(sendRequest, { toUserId: 'bob', fromUserId: 'eve', operatorId: 'eve', body: { ...text, extra: 1 } })
    expect(request).toEqual({ toUserId: 'bob', body: text })
  })

  it('keeps every field of a free body', () => {
    const body = { type: 'x-poll', question: '?', options: [{ a: 1 }] }
    expect(validate(sendRequest, { toUserId: 'bob', body }).body).toEqual(body)
  })

  it('takes both sides of an acknowledgement’s rule', () => {
    const entry = { conversationId: 'd~a~b' }
    for (const good of [{ upToSeq: 1 }, { deliveredSeq: 1 }, { readSeq: 1 }, { deliveredSeq: 2, readSeq: 1 }]) {
      expect(refusal(ackRequest, { acks: [{ ...entry, ...good }] })).toBeUndefined()
    }
    for (const bad of [{}, { upToSeq: 1, readSeq: 1 }, { upToSeq: -1 }, { upToSeq: 1.5 }, { upToSeq: 2 ** 53 }, { upToSeq: '1' }]) {
      expect(refusal(ackRequest, { acks: [{ ...entry, ...bad }] })).toMatchObject({ code: 'INVALID_REQUEST' })
    }
    expect(refusal(ackRequest, { acks: [] })).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(refusal(ackRequest, { acks: Array.from({ length: 201 }, () => ({ ...entry, upToSeq: 1 })) })).toMatchObject({
      code: 'INVALID_REQUEST',
    })
  })

  it('throws nothing but INVALID_REQUEST, whatever JSON it is given', () => {
    const schemas = fc.constantFrom<Parameters<typeof validate>[0]>(sendRequest, ackRequest, heartbeatRequest)
    const almost = fc.record(
      {
        toUserId: fc.oneof(fc.string(), fc.constant('bob')),
        body: fc.oneof(fc.jsonValue(), fc.constant(text)),
        acks: fc.oneof(fc.jsonValue(), fc.array(fc.record({ conversationId: fc.string(), upToSeq: fc.double() }))),
        heads: fc.oneof(fc.jsonValue(), fc.dictionary(fc.oneof(fc.constant('d~a~b'), fc.constant('__proto__'), fc.string()), fc.double())),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(schemas, fc.oneof(fc.jsonValue(), almost), (schema, input) => {
        const refused = refusal(schema, JSON.parse(JSON.stringify(input)) as unknown)
        if (refused !== undefined) expect(refused.code).toBe('INVALID_REQUEST')
      }),
      { numRuns: 1_000 },
    )
  })
})
