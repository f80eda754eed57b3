import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { token } from '../conversation.js'
import { frame } from '../raw-client.js'

export const receiptCases: readonly ConformanceCase[] = [
  {
    id: 'receipts/subscribe',
    title: 'SUBSCRIBE and UNSUBSCRIBE with a receipt header are answered by RECEIPT (Header receipt)',
    run: async (conversation) => {
      const connection = await conversation.connect()
      await conversation.answered(connection, 'SUBSCRIBE', [
        ['id', '1'],
        ['destination', conversation.profile.quiet],
      ])
      await conversation.answered(connection, 'UNSUBSCRIBE', [['id', '1']])
    },
  },
  {
    id: 'receipts/send',
    title: 'SEND with a receipt header is answered by one RECEIPT with its id',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      connection.send(conversation.sendFrame(text, [['receipt', text]]))
      const receipt = await conversation.receipt(connection, text)
      for (const name of conversation.profile.sendReceiptHeaders) assert.ok(receipt.headers.get(name), `RECEIPT has ${name}`)
      await conversation.message(connection, text)
      await conversation.alive(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'RECEIPT'),
        [],
      )
    },
  },
  {
    id: 'receipts/unasked',
    title: 'a frame without a receipt header is not answered by RECEIPT',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const text = token()
      connection.send(conversation.sendFrame(text))
      await conversation.message(connection, text)
      await conversation.alive(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'RECEIPT'),
        [],
      )
    },
  },
  {
    id: 'receipts/in-order',
    title: 'SENDs to one place come back in the order they were sent, each with its receipt',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const texts = Array.from({ length: 5 }, token)
      for (const text of texts) connection.send(conversation.sendFrame(text, [['receipt', text]]))
      const received: string[] = []
      for (const _ of texts) {
        const message = await connection.take(
          'one of the MESSAGEs',
          ({ command, body }) => command === 'MESSAGE' && texts.some((text) => body.includes(text)),
        )
        received.push(texts.find((text) => message.body.includes(text)) as string)
      }
      assert.deepEqual(received, texts)
      for (const text of texts) await conversation.receipt(connection, text)
    },
  },
  {
    id: 'receipts/disconnect',
    title: 'DISCONNECT with a receipt header is answered by RECEIPT (Connection lingering)',
    run: async (conversation) => {
      const connection = await conversation.connect()
      await conversation.answered(connection, 'DISCONNECT', [])
    },
  },
  {
    id: 'receipts/disconnect-last',
    title: 'DISCONNECT’s RECEIPT says that all frames before it were processed: it comes after their answers (Receipt)',
    run: async (conversation) => {
      const connection = await conversation.ready()
      const texts = Array.from({ length: 5 }, token)
      for (const text of texts) connection.send(conversation.sendFrame(text, [['receipt', text]]))
      connection.send(frame('DISCONNECT', [['receipt', 'bye']]))
      await conversation.receipt(connection, 'bye')
      const answered = connection.unread((received) => received.command === 'RECEIPT').map((received) => received.headers.get('receipt-id'))
      assert.deepEqual(answered.sort(), texts.sort())
    },
  },
]
