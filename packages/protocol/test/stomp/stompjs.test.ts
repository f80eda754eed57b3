import { FrameImpl, type IRawFrameType, Parser } from '@stomp/stompjs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLIENT_COMMANDS, isEscaped, SERVER_COMMANDS, serializeFrame } from '../../src/index.js'
import { bytesOf, cut, read, textOf } from './read.js'

// Where @stomp/stompjs keeps to the specification both codecs must agree. It does not in three places, which the generators avoid:
// it trims values, it leaves header names as they are, and it unescapes in four passes, so that `\\n` (a backslash, an n) becomes a line break.

const wide = { frameBytes: 1 << 20, headers: 64, headerLineBytes: 1 << 16 }
const simpleName = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).filter((name) => name !== 'content-length')
const value = fc
  .string({ unit: fc.oneof(fc.constantFrom(':', '\r', '\n', '内', '🀄', ' '), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })) })
  .filter((text) => !/[\0\\]/.test(text) && text.replaceAll(/[\r\n]/g, 'x').trim() === text.replaceAll(/[\r\n]/g, 'x'))
const headers = fc.uniqueArray(fc.tuple(simpleName, value), { selector: ([name]) => name, maxLength: 8 })
const text = fc.string({
  unit: fc.oneof(fc.constantFrom('\0', '\n', '\r', '🀄'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
  maxLength: 40,
})
const escapedCommand = fc.constantFrom(...[...CLIENT_COMMANDS, ...SERVER_COMMANDS].filter(isEscaped))
const bodied = fc.constantFrom('SEND' as const, 'MESSAGE' as const, 'ERROR' as const)

function theirs(chunks: readonly Uint8Array[]) {
  const frames: IRawFrameType[] = []
  let heartbeats = 0
  const parser = new Parser(
    (frame) => frames.push(frame),
    () => heartbeats++,
  )
  for (const chunk of chunks) parser.parseChunk(chunk.slice().buffer as ArrayBuffer)
  return { frames, heartbeats }
}

describe('with @stomp/stompjs', () => {
  it('reads the frames it writes', () => {
    fc.assert(
      fc.property(escapedCommand, headers, (command, all) => {
        const written = FrameImpl.marshall({ command, headers: Object.fromEntries(all), body: '', escapeHeaderValues: true })
        expect(read([bytesOf(written as string)], { limits: wide })).toEqual({
          items: [{ command, headers: Object.entries(Object.fromEntries(all)), body: [] }],
          fault: undefined,
        })
      }),
    )
  })

  it('reads its values with backslashes too, as its escaping is right', () => {
    const written = FrameImpl.marshall({ command: 'SEND', headers: { path: 'C:\\new\\\\c' }, body: '', escapeHeaderValues: true })
    expect(read([bytesOf(written as string)]).items).toMatchObject([{ headers: [['path', 'C:\\new\\\\c']] }])
  })

  it('reads its text and binary bodies', () => {
    fc.assert(
      fc.property(bodied, headers, text, (command, all, body) => {
        const given = { command, headers: Object.fromEntries(all), escapeHeaderValues: true }
        const asText = FrameImpl.marshall({ ...given, body }) as string
        const asBytes = FrameImpl.marshall({ ...given, binaryBody: bytesOf(body) }) as ArrayBuffer
        for (const bytes of [bytesOf(asText), new Uint8Array(asBytes)]) {
          const outcome = read([bytes], { limits: wide })
          expect(outcome.fault).toBeUndefined()
          expect(outcome.items).toMatchObject([{ command, body: [...bytesOf(body)] }])
        }
      }),
    )
  })

  it('is understood by it', () => {
    fc.assert(
      fc.property(bodied, headers, text, (command, all, body) => {
        const { frames } = theirs([serializeFrame(command, all, body)])
        expect(frames).toHaveLength(1)
        const frame = FrameImpl.fromRawFrame(frames[0] as IRawFrameType, true)
        const length = String(bytesOf(body).length)
        expect(frame.command).toBe(command)
        expect(frame.headers).toEqual({ ...Object.fromEntries(all), 'content-length': length })
        expect(textOf(frame.binaryBody)).toBe(textOf(bytesOf(body)))
      }),
    )
  })

  it('cuts a stream into the same frames and heart-beats, however it is chunked', () => {
    const lineEnd = fc.constantFrom('\n', '\r\n')
    const raw = fc.tuple(
      bodied,
      fc.array(fc.tuple(simpleName, fc.stringMatching(/^[a-z:]{0,8}$/)), { maxLength: 6 }),
      lineEnd,
      fc.stringMatching(/^[a-z\n]{0,20}$/),
    )
    const piece = fc.oneof(
      lineEnd,
      raw.map(([command, all, eol, body]) => `${[command, ...all.map(([name, it]) => `${name}:${it}`)].join(eol)}${eol}${eol}${body}\0`),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 8 }), (pieces, positions) => {
        const chunks = cut(bytesOf(pieces.join('')), positions)
        const ours = read(chunks, { limits: wide })
        const other = theirs(chunks)
        const frames = other.frames.map((frame) => ({
          command: frame.command,
          headers: Object.entries(FrameImpl.fromRawFrame(frame, true).headers).sort(),
          body: [...(frame.binaryBody ?? [])],
        }))
        expect(ours.fault).toBeUndefined()
        expect(ours.items.filter((item) => item === 'heartbeat')).toHaveLength(other.heartbeats)
        const sorted = ours.items.filter((item) => item !== 'heartbeat').map((item) => sortHeaders(item as { headers: [string, string][] }))
        expect(sorted).toEqual(frames)
      }),
    )
  })
})

const sortHeaders = <F extends { headers: [string, string][] }>(frame: F): F => ({ ...frame, headers: [...frame.headers].sort() })
