import { describe, expect, it } from 'vitest'
import { ERROR_TABLE, ERROR_TITLES, type ErrorCode, ImError, isErrorCode, isImError } from '../src/index.js'

const codes = Object.keys(ERROR_TABLE) as ErrorCode[]

describe('the error table', () => {
  it('agrees with HTTP on what can be tried again', () => {
    for (const code of codes) {
      const { http, retry } = ERROR_TABLE[code]
      const title = ERROR_TITLES[code]
      expect(title, code).toMatch(/\.$/)
      if (http === 0) continue
      expect(http, code).toBeGreaterThanOrEqual(400)
      if (http === 429 || http === 503) expect(retry, code).toBe('later')
      if (http === 400 || http === 403 || http === 404 || http === 413 || http === 415 || http === 422) expect(retry, code).toBe('never')
    }
  })

  it('knows its own codes alone', () => {
    for (const code of codes) expect(isErrorCode(code)).toBe(true)
    for (const code of ['', 'nonsense', 'toString', '__proto__', 'invalid_request']) expect(isErrorCode(code)).toBe(false)
  })
})

describe('ImError', () => {
  it('carries the table’s retry and what it was given', () => {
    const cause = new Error('deep')
    const error = new ImError('BUSY', { detail: 'The lane is full.', retryAfterMs: 250, extra: { lane: 1 }, requestId: 'r', cause })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'ImError',
      code: 'BUSY',
      retry: 'later',
      retryAfterMs: 250,
      extra: { lane: 1 },
      requestId: 'r',
      cause,
    })
    expect(error.message).toBe('BUSY: The lane is full.')
  })

  it('speaks the title when there is no detail, and has no cause then', () => {
    const error = new ImError('MUTED')
    expect(error.message).toBe('MUTED')
    expect('cause' in error).toBe(false)
  })

  it('is told by its brand, across copies of this package, and by its code', () => {
    const copy = Object.defineProperty(Object.assign(new Error('x'), { code: 'MUTED' }), Symbol.for('innerline.error'), { value: true })
    expect([isImError(new ImError('MUTED')), isImError(copy), isImError(copy, 'MUTED'), isImError(copy, 'BUSY')]).toEqual([
      true,
      true,
      true,
      false,
    ])
    for (const other of [new Error('x'), { code: 'MUTED' }, null, undefined, 'MUTED', 1]) expect(isImError(other)).toBe(false)
  })

  it('shows no brand when it is written out', () => {
    expect(Object.keys(new ImError('MUTED'))).not.toContain('brand')
    expect(
      Object.getOwnPropertySymbols(new ImError('MUTED')).filter((key) =>
        Object.prototype.propertyIsEnumerable.call(new ImError('MUTED'), key),
      ),
    ).toEqual([])
  })
})
