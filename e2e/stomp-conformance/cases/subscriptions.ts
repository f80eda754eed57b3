import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { type Conversation, token } from '../conversation.js'
import { frame, type Header } from '../raw-client.js'

/** A frame the server must refuse, on a connection that reads refusals and on one that does not. */
function refusedCases(
  id: string,
  title: string,
  command: string,
  headers: (conversation: Conversation) => readonly Header[],
): ConformanceCase[] {
  const sent = (conversation: Conversation) => frame(command, [...headers(conversation), ['receipt', 'refused-1']])
  return [
    {
      id: `${id}`,
      title: `${title} is refused`,
      run: async (conversation) => {
        const connection = await conversation.ready()
        connection.send(sent(conversation))
        await conversation.refused(connection, 'refused-1')
      },
    },
    {
      id: `${id}-unread`,
      title: `${title} is answered by ERROR with its receipt-id and a close where refusals are not subscribed to (ERROR)`,
      applies: (profile) => profile.refusals !== undefined,
      run: async (conversation) => {
        const connection = await conversation.connect()
        connection.send(sent(conversation))
        const error = await connection.take('ERROR', (received) => received.command === 'ERROR')
        assert.equal(error.headers.get('receipt-id'), 'refused-1')
        assert.ok(error.headers.get('message'), 'ERROR has a message header')
        await connection.takeClose()
        assert.deepEqual(
          connection.unread((received) => received.command === 'RECEIPT'),
          [],
        )
      },
    },
  ]
}

const each = (cases: ConformanceCase[], applies: NonNullable<ConformanceCase['applies']>): ConformanceCase[] =>
  cases.map((one) => ({ ...one, applies: (profile) => applies(profile) && (one.applies?.(profile) ?? true) }))

export const subscriptionCases: readonly ConformanceCase[] = [
  {
    id: 'subscriptions/message',
    title: 'a MESSAGE has destination, message-id and the subscription’s id (MESSAGE)',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      connection.send(conversation.sendFrame(text))
      const message = await conversation.message(connection, text)
      assert.equal(message.headers.get('subscription'), 'inbox')
      assert.ok(message.headers.get('message-id'), 'MESSAGE has a message-id')
      assert.ok(message.headers.get('destination'), 'MESSAGE has a destination')
    },
  },
  {
    id: 'subscriptions/own-id',
    title: 'the subscription header is the id as the client wrote it, escaped again',
    run: async (conversation) => {
      const connection = await conversation.connect()
      await conversation.subscribe(connection, 'sub\\c1 \\\\ 内', conversation.profile.inbox)
      const text = token()
      connection.send(conversation.sendFrame(text))
      assert.equal((await conversation.message(connection, text)).headers.get('subscription'), 'sub\\c1 \\\\ 内')
    },
  },
  {
    id: 'subscriptions/other-connections',
    title: 'each connection gets a message once',
    run: async (conversation) => {
      const [first, second] = [await conversation.ready(), await conversation.ready()]
      const text = token()
      first.send(conversation.sendFrame(text))
      for (const connection of [first, second]) {
        await conversation.message(connection, text)
        await conversation.alive(connection)
        assert.deepEqual(
          connection.unread((received) => received.command === 'MESSAGE' && received.body.includes(text)),
          [],
          'a second copy',
        )
      }
    },
  },
  {
    id: 'subscriptions/unsubscribe',
    title: 'after UNSUBSCRIBE’s RECEIPT nothing more comes, and the id can be used again (UNSUBSCRIBE)',
    run: async (conversation) => {
      const [connection, witness] = [await conversation.ready(), await conversation.ready()]
      await conversation.answered(connection, 'UNSUBSCRIBE', [['id', 'inbox']])
      const text = token()
      connection.send(conversation.sendFrame(text))
      await conversation.message(witness, text)
      await conversation.alive(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'MESSAGE' && received.body.includes(text)),
        [],
      )
      await conversation.subscribe(connection, 'inbox', conversation.profile.inbox)
      const again = token()
      connection.send(conversation.sendFrame(again))
      await conversation.message(connection, again)
    },
  },
  ...refusedCases('subscriptions/no-id', 'SUBSCRIBE without an id (SUBSCRIBE id Header)', 'SUBSCRIBE', ({ profile }) => [
    ['destination', profile.quiet],
  ]),
  ...refusedCases('subscriptions/no-destination', 'SUBSCRIBE without a destination', 'SUBSCRIBE', () => [['id', '1']]),
  ...refusedCases('subscriptions/bad-ack-mode', 'SUBSCRIBE with an unknown ack mode', 'SUBSCRIBE', ({ profile }) => [
    ['id', '1'],
    ['destination', profile.quiet],
    ['ack', 'sometimes'],
  ]),
  ...refusedCases('subscriptions/unsubscribe-no-id', 'UNSUBSCRIBE without an id', 'UNSUBSCRIBE', () => []),
  ...refusedCases('subscriptions/send-no-destination', 'SEND without a destination', 'SEND', () => [['content-length', '0']]),
  ...each(
    refusedCases('subscriptions/unknown-send', 'SEND to an unknown destination', 'SEND', ({ profile }) => [
      ['destination', profile.unknownSend],
    ]),
    (profile) => profile.unknownSend !== '',
  ),
  {
    id: 'subscriptions/duplicate-id',
    title: 'a second SUBSCRIBE with an id in use is refused, and the first stays (SUBSCRIBE id Header)',
    run: async (conversation) => {
      const connection = await conversation.ready()
      connection.send(
        frame('SUBSCRIBE', [
          ['id', 'inbox'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'again'],
        ]),
      )
      await conversation.refused(connection, 'again')
      if (conversation.profile.refusals === undefined) return
      const text = token()
      connection.send(conversation.sendFrame(text))
      await conversation.message(connection, text)
    },
  },
  {
    id: 'subscriptions/unknown-destinations',
    title: 'unknown destinations, patterns and other users’ queues cannot be subscribed to',
    applies: (profile) => profile.refusals !== undefined && profile.unknownSubscriptions.length > 0,
    run: async (conversation) => {
      const connection = await conversation.ready()
      for (const [index, destination] of conversation.profile.unknownSubscriptions.entries()) {
        connection.send(
          frame('SUBSCRIBE', [
            ['id', `x${index}`],
            ['destination', destination],
            ['receipt', `unknown-${index}`],
          ]),
        )
        await conversation.refused(connection, `unknown-${index}`)
      }
    },
  },
]
