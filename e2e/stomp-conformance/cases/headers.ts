import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import type { Conversation } from '../conversation.js'
import { frame } from '../raw-client.js'

/** A receipt id comes back as it was sent: the shortest way through a server's decoder and encoder. */
const echoed = (id: string, title: string, sent: string, back = sent): ConformanceCase => ({
  id: `headers/${id}`,
  title,
  run: async (conversation) => {
    const connection = await conversation.connect()
    connection.send(
      frame('SUBSCRIBE', [
        ['id', '1'],
        ['destination', conversation.profile.quiet],
        ['receipt', sent],
      ]),
    )
    const receipt = await connection.take('a RECEIPT', (received) => received.command === 'RECEIPT' || received.command === 'ERROR')
    assert.equal(receipt.command, 'RECEIPT', connection.describe())
    assert.equal(receipt.headers.get('receipt-id'), back)
  },
})

const fatal = (id: string, title: string, bytes: (conversation: Conversation) => string | Uint8Array): ConformanceCase => ({
  id: `headers/${id}`,
  title: `${title} is answered by ERROR and a close`,
  run: async (conversation) => {
    const connection = await conversation.connect()
    connection.send(bytes(conversation))
    await conversation.errorThenClose(connection)
  },
})

const subscribeWith = (line: string) => (conversation: Conversation) =>
  `SUBSCRIBE\nid:1\n${line}\ndestination:${conversation.profile.quiet}\n\n\0`

export const headerCases: readonly ConformanceCase[] = [
  echoed('escapes', 'the escapes \\c \\\\ \\n \\r are decoded once and encoded again (Value Encoding)', 'a\\cb\\\\nc\\nd\\re'),
  echoed('escaped-backslash', 'an escaped backslash before an n is no line break', 'C\\c\\\\new\\\\\\\\n'),
  echoed('no-trimming', 'blanks around a value are kept (STOMP Frames: never trim)', '  x  '),
  echoed('utf-8', 'headers are UTF-8', 'é-内线-🀄'),
  {
    id: 'headers/repeated',
    title: 'of repeated headers the first one counts (Repeated Header Entries)',
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send(
        frame('SUBSCRIBE', [
          ['id', '1'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'first'],
          ['receipt', 'second'],
        ]),
      )
      await conversation.receipt(connection, 'first')
      await conversation.alive(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'RECEIPT'),
        [],
      )
    },
  },
  {
    id: 'headers/crlf',
    title: 'lines may end in CRLF (Augmented BNF)',
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send(`SUBSCRIBE\r\nid:1\r\ndestination:${conversation.profile.quiet}\r\nreceipt:crlf\r\n\r\n\0`)
      await conversation.receipt(connection, 'crlf')
    },
  },
  {
    id: 'headers/crlf-connect',
    title: 'CONNECT may have lines that end in CRLF',
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send(conversation.connectFrame().replaceAll('\n', '\r\n'))
      await connection.take('CONNECTED', (received) => received.command === 'CONNECTED')
    },
  },
  {
    id: 'headers/unknown',
    title: 'headers the server does not know are ignored',
    run: async (conversation) => {
      const connection = await conversation.connect()
      await conversation.subscribe(connection, '1', conversation.profile.quiet, [
        ['x-unknown', 'y'],
        ['foo.bar', ''],
      ])
    },
  },
  {
    id: 'headers/connect-unescaped',
    title: 'the headers of CONNECT are not unescaped: a backslash is one (Value Encoding)',
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send(conversation.connectFrame({ credentials: [['x-odd', 'C:\\temp\\q'], ...conversation.target.credentials] }))
      await connection.take('CONNECTED', (received) => received.command === 'CONNECTED')
    },
  },
  fatal('undefined-escape', 'an undefined escape sequence (Value Encoding)', subscribeWith('x:a\\tb')),
  fatal('dangling-backslash', 'a backslash at the end of a header', subscribeWith('x:a\\')),
  fatal('no-colon', 'a header line without a colon', subscribeWith('nonsense')),
  fatal('no-name', 'a header line without a name', subscribeWith(':value')),
  fatal('bare-cr', 'a bare CR in a header', subscribeWith('x:a\rb')),
  fatal('nul', 'a NUL before the blank line', subscribeWith('x:a\0b')),
  fatal('invalid-utf-8', 'a header that is not UTF-8', (conversation) =>
    Buffer.concat([
      Buffer.from('SUBSCRIBE\nid:1\nx:'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from(`\ndestination:${conversation.profile.quiet}\n\n\0`),
    ]),
  ),
]
