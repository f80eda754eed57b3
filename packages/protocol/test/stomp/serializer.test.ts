import { describe, expect, it } from 'vitest'
import { appendBody, type Command, frameHead, HEARTBEAT_BYTES, serializeFrame, writeFrame } from '../../src/index.js'
import { bytesOf, textOf } from './read.js'

describe('serializeFrame', () => {
  it('writes headers in order, the length last, and the NUL', () => {
    const frame = serializeFrame(
      'SEND',
      [
        ['b', '1'],
        ['a', '2'],
      ],
      '内',
    )
    expect(textOf(frame)).toBe('SEND\nb:1\na:2\ncontent-length:3\n\n内\0')
    expect(textOf(serializeFrame('MESSAGE', { a: '1' }))).toBe('MESSAGE\na:1\ncontent-length:0\n\n\0')
    expect(textOf(serializeFrame('RECEIPT', new Map([['receipt-id', '7']])))).toBe('RECEIPT\nreceipt-id:7\n\n\0')
  })

  it('escapes names and values, each character once', () => {
    expect(textOf(serializeFrame('RECEIPT', { 'a:b': 'C:\\new\r\n' }))).toBe('RECEIPT\na\\cb:C\\c\\\\new\\r\\n\n\n\0')
  })

  it('does not escape CONNECT, STOMP and CONNECTED', () => {
    for (const command of ['CONNECT', 'STOMP', 'CONNECTED'] as const) {
      expect(textOf(serializeFrame(command, { a: 'b:c\\d' }))).toBe(`${command}\na:b:c\\d\n\n\0`)
    }
  })

  it.each<[name: string, command: Command, headers: Record<string, string>, body?: string]>([
    ['an unknown command', 'PUBLISH' as Command, {}],
    ['a command with a line break', 'SEND\n' as Command, {}],
    ['a header without name', 'SEND', { '': 'x' }],
    ['a NUL in a value', 'SEND', { a: 'x\0' }],
    ['a NUL in a name', 'SEND', { 'a\0': 'x' }],
    ['a length of the caller’s', 'SEND', { 'content-length': '5' }],
    ['a body on RECEIPT', 'RECEIPT', {}, 'x'],
    ['a line break in CONNECTED', 'CONNECTED', { a: 'x\ny:z' }],
    ['a carriage return in CONNECTED', 'CONNECTED', { a: 'x\r' }],
    ['a colon in a name of CONNECT', 'CONNECT', { 'a:b': 'x' }],
  ])('refuses %s', (_name, command, headers, body = '') => {
    expect(() => serializeFrame(command, headers, body)).toThrow(TypeError)
  })
})

describe('a head made once', () => {
  const head = frameHead('MESSAGE', { subscription: '0' }, 5)

  it('gives the same frame as serializeFrame', () => {
    expect(appendBody(head, bytesOf('hello'))).toEqual(serializeFrame('MESSAGE', { subscription: '0' }, 'hello'))
    expect(head.frameLength).toBe(appendBody(head, bytesOf('hello')).length)
  })

  it('refuses a body of another length', () => {
    expect(() => appendBody(head, bytesOf('hell'))).toThrow(RangeError)
    expect(() => appendBody(head, bytesOf('hello!'))).toThrow(RangeError)
    for (const length of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => frameHead('MESSAGE', {}, length)).toThrow(RangeError)
    expect(() => frameHead('RECEIPT', {}, 1)).toThrow(TypeError)
  })

  it('is written behind what stands before it', () => {
    const target = new Uint8Array(head.frameLength + 3).fill(9)
    expect(writeFrame(head, bytesOf('hello'), target, 2)).toBe(2 + head.frameLength)
    expect(target.subarray(2, 2 + head.frameLength)).toEqual(appendBody(head, bytesOf('hello')))
    expect([target[0], target[1], target.at(-1)]).toEqual([9, 9, 9])
    expect(() => writeFrame(head, bytesOf('hello'), target, 4)).toThrow(RangeError)
  })
})

it('a heart-beat is one LF', () => {
  expect([...HEARTBEAT_BYTES]).toEqual([10])
})
