import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { token } from '../conversation.js'
import { frame } from '../raw-client.js'

const badLength = (id: string, title: string, length: string): ConformanceCase => ({
  id: `bodies/${id}`,
  title: `${title} is answered by ERROR and a close`,
  run: async (conversation) => {
    const connection = await conversation.connect()
    const { destination, headers, body } = conversation.profile.publish(token())
    connection.send(frame('SEND', [['destination', destination], ...headers, ['content-length', length]], body))
    await conversation.errorThenClose(connection)
  },
})

const notAllowed = (command: string): ConformanceCase => ({
  id: `bodies/on-${command.toLowerCase()}`,
  title: `${command} with a body is answered by ERROR and a close (Body: only SEND, MESSAGE and ERROR)`,
  run: async (conversation) => {
    const connection = await conversation.connect()
    connection.send(
      frame(
        command,
        [
          ['id', '1'],
          ['destination', conversation.profile.quiet],
        ],
        'body',
      ),
    )
    await conversation.errorThenClose(connection)
  },
})

export const bodyCases: readonly ConformanceCase[] = [
  {
    id: 'bodies/without-length',
    title: 'a body without content-length ends at the first NUL (Header content-length)',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      const { destination, headers, body } = conversation.profile.publish(text)
      connection.send(frame('SEND', [['destination', destination], ...headers], body))
      await conversation.message(connection, text)
    },
  },
  {
    id: 'bodies/with-length',
    title: 'a body with content-length is read by it, and the MESSAGE counts its own right, in bytes',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = `${token()} 内线 🀄 é`
      connection.send(conversation.sendFrame(text))
      await conversation.message(connection, text)
    },
  },
  {
    id: 'bodies/nul',
    title: 'a body with content-length may hold NULs (Header content-length)',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      const { destination, headers } = conversation.profile.publish(text)
      const body = `${text}\0\0SEND\n\n\0end`
      connection.send(
        frame('SEND', [['destination', destination], ...headers, ['content-length', String(body.length)], ['receipt', text]], body),
      )
      if (conversation.profile.bodies === 'json') return conversation.refused(connection, text)
      assert.equal((await conversation.message(connection, text)).body, body)
      await conversation.receipt(connection, text)
    },
  },
  {
    id: 'bodies/empty',
    title: 'content-length 0 is an empty body, also where none may be',
    run: async (conversation) => {
      const connection = await conversation.connect()
      await conversation.subscribe(connection, '1', conversation.profile.quiet, [['content-length', '0']])
    },
  },
  {
    id: 'bodies/repeated-length',
    title: 'of several content-length headers the first one counts',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      connection.send(conversation.sendFrame(text, [['content-length', '1']]))
      await conversation.message(connection, text)
    },
  },
  badLength('short-length', 'a content-length that no NUL follows', '5'),
  badLength('negative-length', 'a negative content-length', '-1'),
  badLength('nonsense-length', 'a content-length that is no number', 'many'),
  badLength('hexadecimal-length', 'a hexadecimal content-length', '0x10'),
  badLength('empty-length', 'an empty content-length', ''),
  badLength('padded-length', 'a content-length with blanks', ' 5 '),
  badLength('huge-length', 'a content-length beyond all limits', '99999999999999999999'),
  notAllowed('SUBSCRIBE'),
  notAllowed('UNSUBSCRIBE'),
  notAllowed('DISCONNECT'),
]
