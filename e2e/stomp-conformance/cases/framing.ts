import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { token } from '../conversation.js'
import { frame } from '../raw-client.js'

const fatal = (id: string, title: string, bytes: string): ConformanceCase => ({
  id: `framing/${id}`,
  title: `${title} is answered by ERROR and a close`,
  run: async (conversation) => {
    const connection = await conversation.connect()
    connection.send(bytes)
    await conversation.errorThenClose(connection)
  },
})

export const framingCases: readonly ConformanceCase[] = [
  {
    id: 'framing/text-and-binary',
    title: 'frames are read from text and from binary WebSocket messages, mixed at will',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const [first, second] = [token(), token()]
      connection.send(Buffer.from(conversation.sendFrame(first)))
      await conversation.message(connection, first)
      connection.send(conversation.sendFrame(second))
      await conversation.message(connection, second)
    },
  },
  {
    id: 'framing/binary-connect',
    title: 'CONNECT may come in a binary WebSocket message',
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send(Buffer.from(conversation.connectFrame()))
      await connection.take('CONNECTED', (received) => received.command === 'CONNECTED')
    },
  },
  {
    id: 'framing/split',
    title: 'a frame may be split over WebSocket messages, within a character too',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = `${token()} 内线🀄`
      const bytes = Buffer.from(conversation.sendFrame(text))
      // Four pieces, the last cut between the bytes of a character.
      const inCharacter = bytes.indexOf(Buffer.from('线')) + 1
      const cuts = [0, 3, 20, inCharacter, bytes.length]
      for (let piece = 1; piece < cuts.length; piece++) connection.send(bytes.subarray(cuts[piece - 1], cuts[piece]))
      await conversation.message(connection, text)
    },
  },
  {
    id: 'framing/split-text',
    title: 'a frame may be split over text messages, as Spring’s client does',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      const wire = conversation.sendFrame(text)
      for (let at = 0; at < wire.length; at += 64) connection.send(wire.slice(at, at + 64))
      await conversation.message(connection, text)
    },
  },
  {
    id: 'framing/several-in-one',
    title: 'one WebSocket message may hold several frames, with line ends between them',
    run: async (conversation) => {
      const connection = await conversation.connect()
      const subscribe = (id: string) =>
        frame('SUBSCRIBE', [
          ['id', id],
          ['destination', conversation.profile.quiet],
          ['receipt', id],
        ])
      connection.send(
        `\n${subscribe('1')}\n\r\n\n${frame('UNSUBSCRIBE', [
          ['id', '1'],
          ['receipt', 'gone'],
        ])}${subscribe('2')}\n`,
      )
      for (const id of ['1', 'gone', '2']) await conversation.receipt(connection, id)
    },
  },
  {
    id: 'framing/one-and-a-half',
    title: 'a message may end within the next frame',
    run: async (conversation) => {
      const connection = await conversation.connect()
      const second = frame('UNSUBSCRIBE', [
        ['id', '1'],
        ['receipt', 'two'],
      ])
      connection.send(
        frame('SUBSCRIBE', [
          ['id', '1'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'one'],
        ]) + second.slice(0, 9),
      )
      await conversation.receipt(connection, 'one')
      connection.send(second.slice(9))
      await conversation.receipt(connection, 'two')
    },
  },
  {
    id: 'framing/one-per-message',
    title: 'the server sends one frame per WebSocket message, also when it has many',
    applies: (profile) => profile.oneFramePerMessage,
    run: async (conversation) => {
      const connection = await conversation.connect()
      const ids = Array.from({ length: 10 }, (_, index) => `r${index}`)
      const pairs = ids.map(
        (id) =>
          frame('SUBSCRIBE', [
            ['id', id],
            ['destination', conversation.profile.quiet],
            ['receipt', id],
          ]) + frame('UNSUBSCRIBE', [['id', id]]),
      )
      connection.send(pairs.join(''))
      for (const id of ids) await conversation.receipt(connection, id)
      assert.deepEqual(connection.irregular, [])
    },
  },
  fatal('unknown-command', 'an unknown command', 'PUBLISH\ndestination:/x\n\n\0'),
  fatal('lower-case', 'a command in lower case', 'send\ndestination:/x\n\n\0'),
  fatal('server-command', 'a frame that only servers send', 'MESSAGE\ndestination:/x\nmessage-id:1\nsubscription:1\n\nx\0'),
  fatal('not-stomp', 'a message that is no STOMP at all', '{"op":"subscribe","channel":"x"}'),
  fatal('byte-order-mark', 'a byte order mark before a command', '\ufeffDISCONNECT\n\n\0'),
  {
    id: 'framing/malformed-first',
    title: 'a malformed frame before CONNECT is answered by ERROR and a close',
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send('GET / HTTP/1.1\nHost: x\n\n\0')
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'framing/before-the-fault',
    title: 'frames before a malformed one in the same message are still processed',
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send(
        `${frame('SUBSCRIBE', [
          ['id', '1'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'good'],
        ])}NONSENSE\n\n\0`,
      )
      await conversation.receipt(connection, 'good')
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'framing/after-the-fault',
    title: 'nothing behind a malformed frame is processed',
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send(
        `NONSENSE\n\n\0${frame('SUBSCRIBE', [
          ['id', '1'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'late'],
        ])}`,
      )
      connection.send(
        frame('SUBSCRIBE', [
          ['id', '2'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'later'],
        ]),
      )
      await conversation.errorThenClose(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'RECEIPT'),
        [],
      )
    },
  },
]
