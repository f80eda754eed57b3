import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CLIENT_COMMANDS,
  type Command,
  isEscaped,
  mayHaveBody,
  SERVER_COMMANDS,
  serializeFrame,
  StompParser,
  StompProtocolError,
} from '../../src/index.js'
import { bytesOf, cut, limits, read, singleBytes } from './read.js'

const wide = { frameBytes: 1 << 20, headers: 64, headerLineBytes: 1 << 16 }

const command = fc.constantFrom<Command>(...CLIENT_COMMANDS, ...SERVER_COMMANDS)
// A NUL cannot stand in a header; all else that can go wrong in one is drawn often.
const headerText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(':', '\\', '\r', '\n', 'n', 'c', ' ', '内', '🀄', '\ufeff'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
})
const usable = (text: string) => !text.includes('\0')
const name = headerText.filter((text) => usable(text) && text !== '' && text !== 'content-length')
const headers = fc.uniqueArray(fc.tuple(name, headerText.filter(usable)), { selector: ([key]) => key, maxLength: 12 })
const body = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.string({ unit: 'binary', maxLength: 64 }).map(bytesOf))

const frame = fc.tuple(command, headers, body).map(([which, all, bytes]) => ({
  command: which,
  headers: isEscaped(which) ? all : all.filter(([key, value]) => !/[\r\n:]/.test(key) && !/[\r\n]/.test(value)),
  body: mayHaveBody(which) ? bytes : new Uint8Array(0),
}))

const written = frame.map((parts) => serializeFrame(parts.command, parts.headers, parts.body))

// Streams that are nearly right reach deeper than random bytes do.
const token = fc.constantFrom(
  ...[
    'SEND',
    'CONNECT',
    'SUBSCRIBE',
    'MESSAGE',
    'content-length:',
    '1',
    '2',
    '99',
    '-1',
    'a:b',
    '\n',
    '\n\n',
    '\r\n',
    '\r',
    '\0',
    ':',
    '\\',
    '\\c',
    '\\q',
  ],
  ...['x'.repeat(130), 'a:'.repeat(9), 'b:c\n'.repeat(9), 'z'.repeat(4096), '内'],
)
const nearly = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: token.map(bytesOf) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }) },
    { weight: 2, arbitrary: written },
  ),
  { maxLength: 24 },
)
const stream = fc.oneof(nearly, fc.array(written, { maxLength: 6 })).map((parts) => new Uint8Array(parts.flatMap((part) => [...part])))

describe('the codec', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(frame, (parts) => {
        const bytes = serializeFrame(parts.command, parts.headers, parts.body)
        const expected = { ...parts, headers: [...parts.headers], body: [...parts.body] }
        if (mayHaveBody(parts.command)) expected.headers.push(['content-length', String(parts.body.length)])
        expect(read([bytes], { limits: wide })).toEqual({ items: [expected], fault: undefined })
      }),
      { numRuns: 1_000 },
    )
  })

  it('reads the same however the bytes are cut, faults included', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (bytes, positions) => {
        const whole = read([bytes])
        expect(read(cut(bytes, positions))).toEqual(whole)
        expect(read(singleBytes(bytes))).toEqual(whole)
      }),
      { numRuns: 1_000 },
    )
  })

  it('reads the same at the edges of its limits', () => {
    const tight = fc.record({ frameBytes: fc.integer({ min: 6, max: 40 }), headers: fc.nat(3), headerLineBytes: fc.nat(8) })
    const piece = fc.constantFrom(
      'ACK',
      'SEND',
      '\n',
      '\n',
      '\n\n',
      '\r\n',
      '\r',
      '\0',
      'a:',
      'a:b',
      'c',
      'xxxx',
      'content-length:9',
      'content-length:1',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), fc.nat(), tight, (pieces, position, edge) => {
        const bytes = bytesOf(pieces.join(''))
        const whole = read([bytes], { limits: edge })
        expect(read(cut(bytes, [position]), { limits: edge })).toEqual(whole)
        expect(read(singleBytes(bytes), { limits: edge })).toEqual(whole)
      }),
      { numRuns: 5_000 },
    )
  })

  it('throws nothing but StompProtocolError and keeps no more than a frame', () => {
    const chunks = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), stream), { maxLength: 12 })
    fc.assert(
      fc.property(chunks, (parts) => {
        const parser = new StompParser({ limits })
        let dead = false
        for (const part of parts) {
          try {
            parser.push(part)
            expect(dead).toBe(false)
          } catch (error) {
            if (!(error instanceof StompProtocolError)) throw error
            dead = true
          }
          expect(parser.retainedBytes).toBeLessThanOrEqual(dead ? 0 : limits.frameBytes)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('refuses a frame over its headers, repeated ones counted, and reads one within', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b'), { maxLength: 20 }), (names) => {
        const outcome = read([bytesOf(`SEND\n${names.map((key, index) => `${key}:${index}\n`).join('')}\n\0`)])
        const first = [...new Set(names)].map((key) => [key, String(names.indexOf(key))])
        const within = { items: [{ command: 'SEND', headers: first, body: [] }], fault: undefined }
        expect(outcome).toEqual(names.length > limits.headers ? { items: [], fault: 'too-large' } : within)
      }),
    )
  })

  it('accepts a content-length only as up to seven digits', () => {
    const value = fc.oneof(
      fc.integer({ min: -9, max: 9 }).map(String),
      fc.stringMatching(/^[-+ 0-9a-fx.e]{0,9}$/),
      fc.constantFrom('0x1', '1e0', '٣', '00000000'),
    )
    fc.assert(
      fc.property(value, (length) => {
        const outcome = read([bytesOf(`SEND\ncontent-length:${length}\n\n${'y'.repeat(9)}\0`)])
        if (!/^[0-9]{1,7}$/.test(length)) expect(outcome.fault).toBe('malformed')
        else if (Number(length) === 9) expect(outcome.fault).toBeUndefined()
        else if (Number(length) < 9) expect(outcome.fault).toBe('malformed')
        else if (Number(length) > limits.frameBytes) expect(outcome.fault).toBe('too-large')
        else expect(outcome).toEqual({ items: [], fault: undefined })
      }),
    )
  })
})
