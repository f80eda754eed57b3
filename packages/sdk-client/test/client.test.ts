import { describe, expect, it } from 'vitest'
import { harness, settle } from './support/harness.js'

const DIRECT = 'd~alice~bob'

describe('a client against a server', () => {
  it('connects, opens a conversation, sends and receives', async () => {
    const { im, server, clock, messages, errors } = harness()
    await im.connect()
    expect(im.userId).toBe('alice')
    const chat = im.conversations.direct('bob')
    const opened = chat.open()
    await clock.advance(100)
    await opened
    const sending = chat.send({ type: 'text', text: 'hi' })
    expect(sending.local.status).toBe('queued')
    const message = await sending
    expect(message).toMatchObject({ seq: 1, conversationId: DIRECT, body: { text: 'hi' } })
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2])
    expect(chat.messages.getSnapshot().map(({ seq, status }) => [seq, status])).toEqual([
      [1, 'sent'],
      [2, undefined],
    ])
    expect(errors).toEqual([])
    await im.destroy()
    expect(clock.pending).toBe(0)
  })

  it('tells every listener of one state before the next, though a listener moves on at once', async () => {
    const { im } = harness()
    const seen: string[] = []
    im.on('connection', ({ status }) => {
      if (status === 'connected') void im.disconnect()
    })
    im.on('connection', ({ status }) => seen.push(status))
    await im.connect()
    await settle()
    expect(seen).toEqual(['connecting', 'connected', 'idle'])
  })
})
