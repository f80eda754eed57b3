import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, fingerprint } from '../../src/domain/fingerprint.js'

const json = fc.jsonValue({ maxDepth: 3 })
const id = fc.constantFrom('0192f1a0-0000-7000-8000-000000000001', '0192f1a0-0000-7000-8000-000000000002')

/** The definition (PROTOCOL.md §5), without a shortcut. */
const defined = (request: Parameters<typeof fingerprint>[0]): string =>
  createHash('sha256')
    .update(
      canonicalJson([
        request.kind,
        request.conversationId,
        request.target ?? null,
        request.body,
        request.replyTo ?? null,
        request.mentions ?? null,
      ]),
    )
    .digest('hex')
    .slice(0, 32)

const shuffled = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(shuffled)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, shuffled(inner)]),
  )
}

describe('a fingerprint', () => {
  it('is over the canonical JSON of what was asked', () => {
    fc.assert(
      fc.property(json, fc.option(id, { nil: undefined }), fc.option(id, { nil: undefined }), (body, replyTo, target) => {
        const request = { kind: 'message', conversationId: 'd~a:1~b', body, replyTo, target, mentions: ['a:1', '*'] }
        expect(fingerprint(request)).toBe(defined(request))
      }),
    )
  })

  it('does not depend on the order of fields', () => {
    fc.assert(
      fc.property(json, (body) => {
        const request = { kind: 'message', conversationId: 'd~a~b' }
        expect(fingerprint({ ...request, body: shuffled(body) })).toBe(fingerprint({ ...request, body }))
      }),
    )
  })

  it('differs where the request differs', () => {
    const request = { kind: 'message', conversationId: 'd~a~b', body: { type: 'text', text: 'hi' } }
    const others = [
      { ...request, conversationId: 'd~a~c' },
      { ...request, kind: 'edit' },
      { ...request, body: { type: 'text', text: 'hi ' } },
      { ...request, replyTo: '0192f1a0-0000-7000-8000-000000000001' },
      { ...request, target: '0192f1a0-0000-7000-8000-000000000001' },
      { ...request, mentions: [] },
    ]
    expect(new Set([request, ...others].map(fingerprint)).size).toBe(7)
  })
})
