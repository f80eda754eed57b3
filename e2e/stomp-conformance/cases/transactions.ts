import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { token } from '../conversation.js'
import { frame } from '../raw-client.js'

const refused = (command: 'BEGIN' | 'COMMIT' | 'ABORT'): ConformanceCase => ({
  id: `transactions/${command.toLowerCase()}`,
  title: `${command} is answered by ERROR with its receipt-id, not silently accepted, by a server without transactions`,
  applies: (profile) => profile.transactions === 'refused',
  run: async (conversation) => {
    const connection = await conversation.ready()
    connection.send(
      frame(command, [
        ['transaction', 't1'],
        ['receipt', 'tx'],
      ]),
    )
    const error = await connection.take('ERROR', (received) => received.command === 'ERROR')
    assert.equal(error.headers.get('receipt-id'), 'tx')
    await connection.takeClose()
    assert.deepEqual(
      connection.unread((received) => received.command === 'RECEIPT'),
      [],
    )
  },
})

export const transactionCases: readonly ConformanceCase[] = [
  refused('BEGIN'),
  refused('COMMIT'),
  refused('ABORT'),
  {
    id: 'transactions/commit-delivers',
    title: 'what was sent in a transaction comes after COMMIT (COMMIT)',
    applies: (profile) => profile.transactions === 'supported',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      await conversation.answered(connection, 'BEGIN', [['transaction', 't1']])
      connection.send(conversation.sendFrame(text, [['transaction', 't1']]))
      await conversation.alive(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'MESSAGE' && received.body.includes(text)),
        [],
      )
      await conversation.answered(connection, 'COMMIT', [['transaction', 't1']])
      await conversation.message(connection, text)
    },
  },
  {
    id: 'transactions/abort-discards',
    title: 'what was sent in a transaction never comes after ABORT (ABORT)',
    applies: (profile) => profile.transactions === 'supported',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const [dropped, kept] = [token(), token()]
      await conversation.answered(connection, 'BEGIN', [['transaction', 't1']])
      connection.send(conversation.sendFrame(dropped, [['transaction', 't1']]))
      await conversation.answered(connection, 'ABORT', [['transaction', 't1']])
      connection.send(conversation.sendFrame(kept))
      await conversation.message(connection, kept)
      assert.deepEqual(
        connection.unread((received) => received.command === 'MESSAGE' && received.body.includes(dropped)),
        [],
      )
    },
  },
  {
    id: 'transactions/send-without-begin',
    title: 'a SEND in a transaction that was never begun is not delivered as if it were none',
    run: async (conversation) => {
      const [connection, witness] = [await conversation.ready(), await conversation.ready()]
      const [text, fence] = [token(), token()]
      connection.send(
        conversation.sendFrame(text, [
          ['transaction', 'never-begun'],
          ['receipt', text],
        ]),
      )
      const { refusals } = conversation.profile
      await connection.take(
        'a refusal',
        ({ command, headers, body }) =>
          command === 'ERROR' ||
          (command === 'MESSAGE' && headers.get('destination') === refusals?.destination && refusals?.receiptOf(body) === text),
      )
      witness.send(conversation.sendFrame(fence))
      await conversation.message(witness, fence)
      assert.deepEqual(
        witness.unread((received) => received.command === 'MESSAGE' && received.body.includes(text)),
        [],
      )
    },
  },
]
