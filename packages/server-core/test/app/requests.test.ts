import { isImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'

const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) })
const deep = (depth: number): unknown => JSON.parse(`${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}`)

const refused = (body: unknown): unknown => {
  try {
    validate(sendRequest, { toUserId: 'bob', body })
    return 'accepted'
  } catch (error) {
    return isImError(error) ? error.code : error
  }
}

describe('a free body', () => {
  it('may be nested, but not so deep that walking it would overflow the stack', () => {
    expect(refused({ type: 'x-tree', tree: nested(60) })).toBe('accepted')
    expect(refused({ type: 'x-tree', tree: nested(70) })).toBe('INVALID_REQUEST')
    expect(refused({ type: 'x-tree', tree: deep(9_000) })).toBe('INVALID_REQUEST')
  })

  it('needs a name behind x-', () => {
    expect(refused({ type: 'x-' })).toBe('INVALID_REQUEST')
    expect(refused({ type: 'other' })).toBe('INVALID_REQUEST')
  })
})

describe('a target', () => {
  it('is exactly one', () => {
    const body = { type: 'text', text: 'hi' }
    expect(() => validate(sendRequest, { body })).toThrow('needs exactly one target')
    expect(() => validate(sendRequest, { body, toUserId: 'bob', groupId: 'g1' })).toThrow('needs exactly one target')
  })
})
