import { describe, expect, it } from 'vitest'
import { CLIENT_COMMANDS, SERVER_COMMANDS, StompParser, StompProtocolError } from '../../src/index.js'
import { bytesOf, limits, readText, textOf } from './read.js'

const frame = (command: string, headers: [string, string][], body = '') => ({ command, headers, body: [...bytesOf(body)] })

const good: [name: string, text: string, items: unknown[]][] = [
  ['a frame without headers', 'DISCONNECT\n\n\0', [frame('DISCONNECT', [])]],
  [
    'CRLF line ends',
    'SEND\r\na:1\r\nb:2\r\n\r\nx\r\n\0',
    [
      frame(
        'SEND',
        [
          ['a', '1'],
          ['b', '2'],
        ],
        'x\r\n',
      ),
    ],
  ],
  [
    'CRLF and LF mixed',
    'SEND\r\na:1\nb:2\r\n\nx\0',
    [
      frame(
        'SEND',
        [
          ['a', '1'],
          ['b', '2'],
        ],
        'x',
      ),
    ],
  ],
  ['a blank line of CRLF after LF', 'SEND\na:1\n\r\n\0', [frame('SEND', [['a', '1']])]],
  ['every escape', 'SEND\nn\\c\\\\\\r\\n:v\\c\\\\\\r\\n\n\n\0', [frame('SEND', [['n:\\\r\n', 'v:\\\r\n']])]],
  ['an escaped backslash before an n', 'SEND\npath:C\\c\\\\new\n\n\0', [frame('SEND', [['path', 'C:\\new']])]],
  ['no unescaping in CONNECT', 'CONNECT\npasscode:a\\nb\\q\n\n\0', [frame('CONNECT', [['passcode', 'a\\nb\\q']])]],
  ['no unescaping in STOMP', 'STOMP\npasscode:a\\nb\n\n\0', [frame('STOMP', [['passcode', 'a\\nb']])]],
  ['no unescaping in CONNECTED', 'CONNECTED\nserver:a\\cb\n\n\0', [frame('CONNECTED', [['server', 'a\\cb']])]],
  ['colons in a value', 'CONNECT\nhost:a:b:c\n\n\0', [frame('CONNECT', [['host', 'a:b:c']])]],
  ['an empty value', 'SEND\na:\n\n\0', [frame('SEND', [['a', '']])]],
  ['blanks kept', 'SEND\n a : b \n\n c \0', [frame('SEND', [[' a ', ' b ']], ' c ')]],
  [
    'the first of repeated headers',
    'SEND\na:1\na:2\nb:3\na:4\n\n\0',
    [
      frame('SEND', [
        ['a', '1'],
        ['b', '3'],
      ]),
    ],
  ],
  ['the first content-length', 'SEND\ncontent-length:1\ncontent-length:nonsense\n\nx\0', [frame('SEND', [['content-length', '1']], 'x')]],
  ['NUL within a body', 'SEND\ncontent-length:3\n\n\0\0\0\0', [frame('SEND', [['content-length', '3']], '\0\0\0')]],
  ['a body up to the first NUL', 'SEND\n\na\nb\0\n', [frame('SEND', [], 'a\nb'), 'heartbeat']],
  ['length 0', 'SEND\ncontent-length:0\n\n\0', [frame('SEND', [['content-length', '0']])]],
  ['length 0 where no body may be', 'SUBSCRIBE\ncontent-length:0\n\n\0', [frame('SUBSCRIBE', [['content-length', '0']])]],
  ['leading zeros in a length', 'SEND\ncontent-length:0000002\n\nhi\0', [frame('SEND', [['content-length', '0000002']], 'hi')]],
  ['heart-beats', '\n\r\n\n', ['heartbeat', 'heartbeat', 'heartbeat']],
  ['frames back to back', 'ACK\nid:1\n\n\0NACK\nid:2\n\n\0', [frame('ACK', [['id', '1']]), frame('NACK', [['id', '2']])]],
  ['4-byte characters', 'SEND\n内线:🀄\n\n🀄\0', [frame('SEND', [['内线', '🀄']], '🀄')]],
  ['a header named like a property', 'SEND\n__proto__:x\n\n\0', [frame('SEND', [['__proto__', 'x']])]],
]

const bad: [name: string, text: string][] = [
  ['an unknown command', 'PUBLISH\n\n\0'],
  ['a command in lower case', 'send\n\n\0'],
  ['a blank before the command', ' SEND\n\n\0'],
  ['a blank after the command', 'SEND \n\n\0'],
  ['a byte order mark', '\ufeffSEND\n\n\0'],
  ['a command without an end', 'SENDSENDSENDSEND'],
  ['a header without colon', 'SEND\nabc\n\n\0'],
  ['a header without colon before one with', 'SEND\nabc\nd:e\n\n\0'],
  ['a header without name', 'SEND\n:abc\n\n\0'],
  ['an undefined escape', 'SEND\na:\\t\n\n\0'],
  ['an undefined escape in a name', 'SEND\n\\x:a\n\n\0'],
  ['an undefined escape in a repeated header', 'SEND\na:1\na:\\t\n\n\0'],
  ['a backslash at the end', 'SEND\na:b\\\n\n\0'],
  ['a bare CR in a header', 'SEND\na:b\rc\n\n\0'],
  ['a bare CR between frames', '\r\r\n'],
  ['a NUL in the headers', 'SEND\na:b\0\n\n\0'],
  ['a frame without a blank line', 'SEND\na:b\n\0'],
  ['a NUL between frames', 'DISCONNECT\n\n\0\0'],
  ['a negative length', 'SEND\ncontent-length:-1\n\n\0'],
  ['a length with a sign', 'SEND\ncontent-length:+1\n\nx\0'],
  ['a length in words', 'SEND\ncontent-length:one\n\nx\0'],
  ['an empty length', 'SEND\ncontent-length:\n\nx\0'],
  ['a length with a blank', 'SEND\ncontent-length: 1\n\nx\0'],
  ['a fractional length', 'SEND\ncontent-length:1.0\n\nx\0'],
  ['a length of eight digits', 'SEND\ncontent-length:00000001\n\nx\0'],
  ['a length in other digits', 'SEND\ncontent-length:١\n\nx\0'],
  ['a length that is too short', 'SEND\ncontent-length:1\n\nxy\0'],
  ['a body on SUBSCRIBE', 'SUBSCRIBE\nid:1\n\nx\0'],
  ['a counted body on SUBSCRIBE', 'SUBSCRIBE\nid:1\ncontent-length:1\n\nx\0'],
]

describe('what the parser reads', () => {
  it.each(good)('%s', (_name, text, items) => {
    expect(readText(text)).toEqual({ items, fault: undefined })
  })
})

describe('what the parser refuses as malformed', () => {
  it.each(bad)('%s', (_name, text) => {
    expect(readText(text).fault).toBe('malformed')
  })

  it('a body that goes on behind its declared length, before it hands anything out', () => {
    expect(readText('SEND\ncontent-length:1\n\nxy\0')).toEqual({ items: [], fault: 'malformed' })
    expect(readText('SEND\ncontent-length:1\n\nx\n\n')).toEqual({ items: [], fault: 'malformed' })
  })

  it('headers that are not UTF-8', () => {
    const bytes = bytesOf('SEND\na:?\n\n\0')
    bytes[bytes.indexOf(63)] = 0xff
    expect(() => new StompParser({ limits }).push(bytes)).toThrow('UTF-8')
  })

  it('the other side’s commands', () => {
    expect(readText('MESSAGE\n\n\0', { commands: CLIENT_COMMANDS }).fault).toBe('malformed')
    expect(readText('SEND\n\n\0', { commands: SERVER_COMMANDS }).fault).toBe('malformed')
    expect(readText('SEND\n\n\0', { commands: CLIENT_COMMANDS }).fault).toBeUndefined()
    expect(readText('MESSAGE\n\n\0', { commands: SERVER_COMMANDS }).fault).toBeUndefined()
  })

  it('but reads a body that is not UTF-8', () => {
    const [item] = new StompParser({ limits }).push(new Uint8Array([...bytesOf('SEND\n\n'), 0xff, 0]))
    expect(item).toMatchObject({ body: new Uint8Array([0xff]) })
  })
})

describe('limits', () => {
  const tight = { frameBytes: 64, headers: 2, headerLineBytes: 10 }
  const padded = (bytes: number) => `SEND\n\n${'x'.repeat(bytes - 'SEND\n\n\0'.length)}\0`
  const counted = (bytes: number) => {
    const body = bytes - 'SEND\ncontent-length:00\n\n\0'.length
    return `SEND\ncontent-length:${body}\n\n${'x'.repeat(body)}\0`
  }

  it.each([
    ['a frame', padded(64), padded(65)],
    ['a counted frame', counted(64), counted(65)],
    ['the number of headers', 'SEND\na:1\nb:2\n\n\0', 'SEND\na:1\nb:2\nc:3\n\n\0'],
    ['repeated headers', 'SEND\na:1\na:2\n\n\0', 'SEND\na:1\na:2\na:3\n\n\0'],
    ['a header line', `SEND\na:${'x'.repeat(8)}\n\n\0`, `SEND\na:${'x'.repeat(9)}\n\n\0`],
    ['a header line with CRLF', `SEND\r\na:${'x'.repeat(8)}\r\n\r\n\0`, `SEND\r\na:${'x'.repeat(9)}\r\n\r\n\0`],
    ['a header line in bytes', 'SEND\na:内内\n\n\0', 'SEND\na:内内内\n\n\0'],
  ])('%s', (_name, within, over) => {
    const measure = { limits: { ...tight, headerLineBytes: within.includes('content-length') ? 20 : 10 } }
    expect(readText(within, measure).fault).toBeUndefined()
    expect(readText(over, measure).fault).toBe('too-large')
  })

  it('answers a declared length that does not fit at once, before the body comes', () => {
    expect(readText('SEND\ncontent-length:9999999\n\n').fault).toBe('too-large')
  })

  it('does not wait for the end of a line that is too long', () => {
    expect(readText(`SEND\n${'x'.repeat(limits.headerLineBytes + 2)}`).fault).toBe('too-large')
  })

  it('headers or a body without an end, as soon as the limit is reached', () => {
    const line = 'a:b\n'
    const head = `SEND\n${line.repeat(4)}`
    const tightest = { limits: { ...limits, frameBytes: head.length } }
    expect(readText(head, tightest).fault).toBe('too-large')
    expect(readText(head.slice(0, -1), tightest).fault).toBeUndefined()
    expect(readText(`SEND\n\n${'x'.repeat(limits.frameBytes)}`).fault).toBe('too-large')
  })

  it('can be raised after authentication', () => {
    const parser = new StompParser({ limits: tight })
    const large = bytesOf(padded(100))
    expect(parser.push(bytesOf('CONNECT\n\n\0'))).toHaveLength(1)
    parser.setLimits(limits)
    expect(parser.push(large)).toHaveLength(1)
    parser.setLimits(tight)
    expect(() => parser.push(large)).toThrow(StompProtocolError)
  })
})

describe('a parser', () => {
  it('hands out what came before a fault, and is dead after it', () => {
    const parser = new StompParser({ limits })
    let thrown: unknown
    try {
      parser.push(bytesOf('\nSEND\n\nhi\0NONSENSE\n\n\0SEND\n\nlost\0'))
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(StompProtocolError)
    const error = thrown as StompProtocolError
    expect(error.before).toHaveLength(2)
    expect(error.before[1]).toMatchObject({ command: 'SEND', body: bytesOf('hi') })
    expect(() => parser.push(bytesOf('\n'))).toThrow(StompProtocolError)
    expect(() => parser.push(bytesOf('\n'))).toThrow('failed before')
    expect(parser.retainedBytes).toBe(0)
  })

  it('never quotes the peer in what it says', () => {
    for (const [name, text] of bad) {
      const marked = text.replaceAll('abc', 'secret').replaceAll('one', 'secret')
      let message: unknown
      try {
        new StompParser({ limits }).push(bytesOf(marked))
      } catch (error) {
        message = (error as Error).message
      }
      expect(message, name).toMatch(/^[A-Z].*\.$/)
      expect(message, name).not.toContain('secret')
    }
  })

  it('does not copy a body that came whole, and gives plain arrays for Buffers', () => {
    const chunk = Buffer.from('SEND\n\nhello\0')
    const [item] = new StompParser({ limits }).push(chunk)
    if (item === undefined || item === 'heartbeat') throw new Error('a frame was expected')
    expect(Object.getPrototypeOf(item.body)).toBe(Uint8Array.prototype)
    expect(item.body.buffer).toBe(chunk.buffer)
    expect(textOf(item.body)).toBe('hello')
  })

  it('keeps no view of the caller’s chunk between pushes', () => {
    const parser = new StompParser({ limits })
    const chunk = bytesOf('SEND\n\nhel')
    expect(parser.push(chunk)).toEqual([])
    chunk.fill(0)
    expect(parser.push(bytesOf('lo\0'))).toMatchObject([{ body: bytesOf('hello') }])
  })

  it('never writes to a body it has handed out', () => {
    const parser = new StompParser({ limits })
    parser.push(bytesOf('SEND\n\nfir'))
    const [first] = parser.push(bytesOf('st\0SEND\n\nsec'))
    if (first === undefined || first === 'heartbeat') throw new Error('a frame was expected')
    const [second] = parser.push(bytesOf('ond\0'))
    expect(textOf(first.body)).toBe('first')
    expect(second).toMatchObject({ body: bytesOf('second') })
  })

  it('reads an empty chunk as nothing', () => {
    expect(new StompParser({ limits }).push(new Uint8Array(0))).toEqual([])
  })
})
