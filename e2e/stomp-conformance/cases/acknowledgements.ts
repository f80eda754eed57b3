import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { type Conversation, token } from '../conversation.js'
import { frame, type RawConnection } from '../raw-client.js'

async function ackIdOf(conversation: Conversation, connection: RawConnection): Promise<string> {
  const text = token()
  connection.send(conversation.sendFrame(text))
  const ack = (await conversation.message(connection, text)).headers.get('ack')
  assert.ok(ack, 'MESSAGE has an ack header')
  return ack
}

const withMode = (mode: 'client' | 'client-individual'): ConformanceCase[] => [
  {
    id: `acknowledgements/${mode}`,
    title: `with ack:${mode} a MESSAGE has an ack header, and ACK with it is receipted (ACK)`,
    run: async (conversation) => {
      const connection = await conversation.ready(mode)
      // The header is copied as it stands on the wire, so that its escapes are the server's own.
      for (let round = 0; round < 2; round++)
        await conversation.answered(connection, 'ACK', [['id', await ackIdOf(conversation, connection)]])
      await conversation.alive(connection)
    },
  },
  {
    id: `acknowledgements/${mode}-nack`,
    title: `with ack:${mode} NACK is receipted and does not end the connection (NACK)`,
    run: async (conversation) => {
      const connection = await conversation.ready(mode)
      await conversation.answered(connection, 'NACK', [['id', await ackIdOf(conversation, connection)]])
      await conversation.alive(connection)
    },
  },
]

const withoutId = (command: 'ACK' | 'NACK'): ConformanceCase => ({
  id: `acknowledgements/${command.toLowerCase()}-no-id`,
  title: `${command} without an id is refused`,
  run: async (conversation) => {
    const connection = await conversation.ready('client')
    connection.send(frame(command, [['receipt', 'no-id']]))
    await conversation.refused(connection, 'no-id')
  },
})

export const acknowledgementCases: readonly ConformanceCase[] = [
  {
    id: 'acknowledgements/auto',
    title: 'with ack:auto, and by default, a MESSAGE has no ack header (MESSAGE)',
    run: async (conversation) => {
      for (const mode of ['auto', undefined]) {
        const connection = await conversation.ready(mode)
        const text = token()
        connection.send(conversation.sendFrame(text))
        assert.equal((await conversation.message(connection, text)).headers.get('ack'), undefined)
      }
    },
  },
  ...withMode('client'),
  ...withMode('client-individual'),
  withoutId('ACK'),
  withoutId('NACK'),
]
