import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import type { Conversation } from '../conversation.js'
import { frame, type RawConnection } from '../raw-client.js'

const hasLimits: NonNullable<ConformanceCase['applies']> = (profile) => profile.limits !== undefined

function limitsOf(conversation: Conversation) {
  const { limits } = conversation.profile
  if (limits === undefined) throw new Error('the profile names no limits')
  return limits
}

/** ERROR and a close; or 1009, which a WebSocket library answers to a message over its limit before STOMP sees it. */
async function tooLarge(connection: RawConnection): Promise<void> {
  const close = await connection.takeClose()
  const errors = connection.unread((received) => received.command === 'ERROR')
  assert.ok(errors.length === 1 || close.code === 1009, `expected ERROR or close code 1009; ${connection.describe()}`)
}

export const limitCases: readonly ConformanceCase[] = [
  {
    id: 'limits/oversized-message',
    title: 'a frame over the limit in one WebSocket message ends the connection',
    applies: hasLimits,
    run: async (conversation) => {
      // Refusals are read here: a server that reads the frame and refuses its content would live on, and fail.
      const connection = await conversation.ready()
      connection.send(conversation.sendFrame('x'.repeat(limitsOf(conversation).frameBytes + 1)))
      await tooLarge(connection)
      await conversation.alive(await conversation.connect())
    },
  },
  {
    id: 'limits/oversized-pieces',
    title: 'a frame that grows over the limit piece by piece ends the connection',
    applies: hasLimits,
    run: async (conversation) => {
      const connection = await conversation.connect()
      const { frameBytes } = limitsOf(conversation)
      connection.send(`SEND\ndestination:${conversation.profile.publish('x').destination}\n\n`)
      for (let sent = 0; sent <= frameBytes; sent += 8_192) connection.send('x'.repeat(8_192))
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'limits/declared-length',
    title: 'a content-length over the limit is answered before the body comes',
    applies: hasLimits,
    run: async (conversation) => {
      const connection = await conversation.connect()
      const { destination } = conversation.profile.publish('x')
      connection.send(`SEND\ndestination:${destination}\ncontent-length:${limitsOf(conversation).frameBytes + 1}\n\n`)
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'limits/header-count',
    title: 'more headers than allowed, repeated ones counted, are answered by ERROR and a close',
    applies: hasLimits,
    run: async (conversation) => {
      const connection = await conversation.connect()
      const many = Array.from({ length: limitsOf(conversation).headers + 1 }, () => ['x', 'y'] as const)
      connection.send(frame('SUBSCRIBE', [['id', '1'], ['destination', conversation.profile.quiet], ...many]))
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'limits/header-line',
    title: 'a header line over the limit is answered by ERROR and a close, before its end comes',
    applies: hasLimits,
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send(`SUBSCRIBE\nx:${'y'.repeat(limitsOf(conversation).headerLineBytes + 1)}`)
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'limits/unauthenticated',
    title: 'before CONNECTED less is read, and what is over it ends the connection',
    applies: hasLimits,
    run: async (conversation) => {
      const connection = await conversation.open()
      const filler = Array.from({ length: 20 }, (_, index) => [`x${index}`, 'y'.repeat(1_000)] as const)
      assert.ok(limitsOf(conversation).unauthenticatedBytes < 20_000, 'the case sends more than the limit')
      connection.send(conversation.connectFrame({ credentials: [...filler, ...conversation.target.credentials] }))
      await tooLarge(connection)
      assert.deepEqual(
        connection.unread((received) => received.command === 'CONNECTED'),
        [],
      )
    },
  },
]
