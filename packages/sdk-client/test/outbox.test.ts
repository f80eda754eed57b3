import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isImError, memoryStore, type ImError, type Message } from '../src/index.js'
import { harness, settle } from './support/harness.js'

const DIRECT = 'd~alice~bob'
const text = (value: string) => ({ type: 'text' as const, text: value })
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: ImError) => error.code,
  )
const sends = (frames: readonly { readonly headers: Record<string, string>; readonly body: string }[]) =>
  frames.filter(({ headers }) => headers['destination'] === '/app/chat.sendMessage').map(({ body }) => JSON.parse(body))

async function connected(...args: Parameters<typeof harness>) {
  const all = harness(...args)
  await all.im.connect()
  await settle()
  return { ...all, chat: all.im.conversations.direct('bob') }
}

describe('the outbox', () => {
  it('queues before the first connection and sends in order, one in flight per conversation', async () => {
    const { im, server, clock } = harness({ userId: 'alice' })
    const chat = im.conversations.direct('bob')
    const sending = ['a', 'b', 'c'].map((value) => chat.send(text(value)))
    expect(sending.map(({ local }) => local.status)).toEqual(['queued', 'queued', 'queued'])
    server.onSend = () => 'ignore'
    await im.connect()
    await settle()
    expect(sends(server.last.received)).toHaveLength(1)
    expect(sending.map(({ local }) => local.status)).toEqual(['sending', 'queued', 'queued'])
    server.onSend = () => 'default'
    await clock.advance(60_000)
    expect((await Promise.all(sending)).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(server.log(DIRECT).map(({ body }) => body)).toEqual([text('a'), text('b'), text('c')])
  })

  it('has at most eight in flight over all conversations', async () => {
    const { im, server } = await connected()
    server.onSend = () => 'ignore'
    for (let i = 0; i < 12; i++) im.conversations.direct(`u${i}`).send(text('x'))
    await settle()
    expect(sends(server.last.received)).toHaveLength(8)
  })

  it('sends again with the same msgId after an answer was lost, and the message exists once', async () => {
    const { chat, server, clock } = await connected()
    server.onSend = (connection, frame) => {
      // Committed, but neither receipt nor echo gets through.
      server.fanOut = () => false
      if (connection === server.connections[0]) {
        server.commit(DIRECT, { fromUserId: 'alice', msgId: JSON.parse(frame.body).msgId, body: JSON.parse(frame.body).body })
        connection.close(1006)
        return 'ignore'
      }
      return 'default'
    }
    const sending = chat.send(text('once'))
    await clock.advance(40_000)
    expect(await sending).toMatchObject({ seq: 1 })
    expect(server.log(DIRECT)).toHaveLength(1)
    expect(sends(server.last.received)[0].msgId).toBe(sending.local.msgId)
  })

  it('sends again on the same connection when no answer comes in time', async () => {
    const { chat, server, clock } = await connected()
    let ignored = 0
    server.onSend = (_, { headers }) => (headers['destination'] === '/app/chat.sendMessage' && ignored++ === 0 ? 'ignore' : 'default')
    const sending = chat.send(text('slow'))
    await clock.advance(9_999)
    expect(sending.local.status).toBe('sending')
    await clock.advance(3_000)
    expect(sends(server.last.received).map(({ msgId }) => msgId)).toEqual([sending.local.msgId, sending.local.msgId])
    expect(await sending).toMatchObject({ seq: 1 })
    expect(server.connections).toHaveLength(1)
  })

  it('lets a later refusal block its conversation alone, for as long as the server says', async () => {
    const { im, chat, server, clock } = await connected()
    let refusals = 0
    server.onSend = (connection, { headers, body }) => {
      if (JSON.parse(body).toUserId !== 'bob' || refusals > 0) return 'default'
      refusals++
      connection.refuse(headers['receipt'] ?? '', 'BUSY', { retryAfterMs: 3_000 })
      return 'ignore'
    }
    const first = chat.send(text('1'))
    const second = chat.send(text('2'))
    const other = im.conversations.direct('carol').send(text('3'))
    await clock.advance(2_900)
    expect(await codeOf(other)).toBe('resolved')
    expect(first.local).toMatchObject({ status: 'queued', error: { code: 'BUSY' } })
    await clock.advance(200)
    expect((await Promise.all([first, second])).map(({ seq }) => seq)).toEqual([1, 2])
  })

  it('settles a final refusal and moves on', async () => {
    const { im, chat, server } = await connected()
    const failed: string[] = []
    im.on('failed', ({ error }) => failed.push(error.code))
    server.onSend = (connection, { headers, body }) => {
      if (JSON.parse(body).body.text !== 'bad') return 'default'
      connection.refuse(headers['receipt'] ?? '', 'MUTED', { mutedUntil: 5 })
      return 'ignore'
    }
    const bad = chat.send(text('bad'))
    const good = chat.send(text('good'))
    await settle()
    const error: ImError = await bad.then(
      () => {
        throw new Error('must not resolve')
      },
      (cause) => cause,
    )
    expect(error).toMatchObject({ code: 'MUTED', retry: 'never', extra: { mutedUntil: 5 } })
    expect(await good).toMatchObject({ seq: 1 })
    expect(failed).toEqual(['MUTED'])
    expect(chat.messages.getSnapshot().map(({ status }) => status)).toEqual(['sent', 'failed'])
    expect(im.outbox.cancel(bad.local.msgId)).toBe(true)
    expect(chat.messages.getSnapshot().map(({ status }) => status)).toEqual(['sent'])
  })

  it('is settled by an own echo, and a late receipt is nothing more', async () => {
    const { chat, server } = await connected()
    server.onSend = (connection, frame) => {
      const { msgId, body } = JSON.parse(frame.body)
      const message = server.commit(DIRECT, { fromUserId: 'alice', msgId, body })
      setImmediate(() => server.receipt(connection, message))
      return 'ignore'
    }
    const sending = chat.send(text('echoed'))
    expect(await sending).toMatchObject({ seq: 1, body: text('echoed') })
    await settle()
    expect(chat.messages.getSnapshot()).toHaveLength(1)
  })

  it('revives what was refused on a second attempt when the first turns up', async () => {
    const { im, chat, server } = await connected()
    const revived: Message[] = []
    im.on('revived', ({ message }) => revived.push(message))
    server.onSend = (connection, { headers }) => {
      connection.refuse(headers['receipt'] ?? '', 'NOT_MEMBER')
      return 'ignore'
    }
    const sending = chat.send(text('twice'))
    expect(await codeOf(sending)).toBe('NOT_MEMBER')
    server.commit(DIRECT, { fromUserId: 'alice', msgId: sending.local.msgId, body: text('twice') })
    await settle()
    expect(revived.map(({ msgId }) => msgId)).toEqual([sending.local.msgId])
    expect(im.outbox.getSnapshot()).toEqual([])
  })

  it('cancels only what was never written', async () => {
    const { chat, server, im } = await connected()
    server.onSend = () => 'ignore'
    const written = chat.send(text('1'))
    const waiting = chat.send(text('2'))
    await settle()
    expect([written.cancel(), im.outbox.cancel(written.local.msgId)]).toEqual([false, false])
    expect(waiting.cancel()).toBe(true)
    expect(waiting.cancel()).toBe(false)
    expect(await codeOf(waiting)).toBe('CANCELLED')
    expect(im.outbox.getSnapshot()).toHaveLength(1)
  })

  it('has taken a message back once its store knows, as an app that ends before would send it when it comes again', async () => {
    let forget = () => {}
    const memory = memoryStore()
    const storage = {
      ...memory,
      deleteOutbox: async (msgId: string) => {
        await new Promise<void>((resolve) => {
          forget = resolve
        })
        return memory.deleteOutbox(msgId)
      },
    }
    const { chat, server } = await connected({ storage })
    server.onSend = () => 'ignore'
    void chat.send(text('under way'))
    const sending = chat.send(text('x'))
    await settle()
    let ended = false
    void codeOf(sending).then(() => {
      ended = true
    })
    expect(sending.cancel()).toBe(true)
    await settle()
    expect(ended).toBe(false)
    forget()
    expect(await codeOf(sending)).toBe('CANCELLED')
  })

  it('writes nothing when the connection is gone before the store is open', async () => {
    let ready = () => {}
    const memory = memoryStore()
    const storage = { ...memory, open: () => new Promise<void>((resolve) => (ready = resolve)) }
    const { im, server } = harness({ storage, userId: 'alice' })
    const sending = im.conversations.direct('bob').send(text('x'))
    await im.connect()
    server.accepting = false
    server.last.close(1006)
    await settle()
    ready()
    await settle()
    expect(sending.cancel()).toBe(true)
  })

  it('gives up after a day what was never written, after seven what may have arrived', async () => {
    const { im, clock, server } = harness({ userId: 'alice' })
    const chat = im.conversations.direct('bob')
    const unsent = chat.send(text('unsent'))
    await clock.advance(86_400_001)
    await expect(unsent).rejects.toMatchObject({ code: 'EXPIRED', extra: { outcome: 'unsent' } })

    server.onSend = () => 'ignore'
    await im.connect()
    const unknown = chat.send(text('unknown'))
    await settle()
    await im.disconnect()
    await clock.advance(6 * 86_400_000)
    expect(unknown.local.status).toBe('queued')
    await clock.advance(86_400_001)
    await expect(unknown).rejects.toMatchObject({ code: 'EXPIRED', extra: { outcome: 'unknown' } })
  })

  it('refuses what cannot be sent, without a frame', async () => {
    const { chat, server } = await connected({ outbox: { maxSize: 2, maxBodyBytes: 100 } })
    server.onSend = () => 'ignore'
    expect(await codeOf(chat.send(text('x'.repeat(100))))).toBe('TOO_LARGE')
    expect(await codeOf(chat.send(text('x'), { msgId: 'no-uuid' }))).toBe('INVALID_REQUEST')
    const first = chat.send(text('1'))
    expect(await codeOf(chat.send(text('1'), { msgId: first.local.msgId }))).toBe('MSG_ID_CONFLICT')
    chat.send(text('2'))
    const third = chat.send(text('3'))
    expect(await codeOf(third)).toBe('QUEUE_FULL')
    expect(third.local).toMatchObject({ status: 'failed', error: { code: 'QUEUE_FULL' } })
    expect(sends(server.last.received)).toHaveLength(1)
  })

  it('tries a failed message again with its msgId', async () => {
    const { im, chat, server } = await connected()
    server.onSend = (connection, { headers }) => {
      connection.refuse(headers['receipt'] ?? '', 'BLOCKED')
      return 'ignore'
    }
    const sending = chat.send(text('again'))
    expect(await codeOf(sending)).toBe('BLOCKED')
    server.onSend = () => 'default'
    const sent: Message[] = []
    im.on('sent', ({ message }) => sent.push(message))
    im.outbox.retry()
    await settle()
    expect(sent.map(({ msgId }) => msgId)).toEqual([sending.local.msgId])
  })

  it('takes up what an earlier run left, ahead of what is new, and sends it once', async () => {
    const storage = memoryStore()
    const { im, client, server, clock } = harness({ storage, userId: 'alice' })
    server.onSend = () => 'ignore'
    await im.connect()
    const left = im.conversations.direct('bob').send(text('left'))
    await settle()
    await im.destroy()
    expect(await codeOf(left)).toBe('CLIENT_CLOSED')
    // The first attempt was committed after all.
    server.commit(DIRECT, { fromUserId: 'alice', msgId: left.local.msgId, body: text('left') })
    server.onSend = () => 'default'
    const next = client({ ids: { uuid: () => '00000000-0000-4000-8000-00000000abcd', random: () => 0.5 } })
    const fresh = next.conversations.direct('bob').send(text('new'))
    await next.connect()
    await clock.advance(1_000)
    expect(await fresh).toMatchObject({ seq: 2 })
    expect(sends(server.last.received).map(({ body }) => body.text)).toEqual(['left', 'new'])
    expect(server.log(DIRECT)).toHaveLength(2)
    expect(await storage.outbox()).toEqual([])
  })

  it('has one on its way per conversation though an older one is tried again', async () => {
    const { im, chat, server } = await connected()
    server.onSend = (connection, { headers }) => {
      connection.refuse(headers['receipt'] ?? '', 'MUTED')
      return 'ignore'
    }
    await codeOf(chat.send(text('old')))
    server.onSend = () => 'ignore'
    chat.send(text('new'))
    await settle()
    im.outbox.retry()
    await settle()
    expect(sends(server.last.received).map(({ body }) => body.text)).toEqual(['old', 'new'])
  })

  it('does not forget over a reload that a message may be with the server, though the app sends it again at once', async () => {
    const storage = memoryStore()
    const { im, client, server, clock } = harness({ storage, userId: 'alice' })
    server.onSend = () => 'ignore'
    await im.connect()
    const left = im.conversations.direct('bob').send(text('left'))
    await settle()
    await im.destroy()
    const next = client({ ids: { uuid: () => '00000000-0000-4000-8000-00000000abcd', random: () => 0.5 } })
    // As a restored draft would be; the store is not open yet.
    const again = next.conversations.direct('bob').send(text('left'), { msgId: left.local.msgId })
    await next.connect()
    expect(await codeOf(again)).toBe('MSG_ID_CONFLICT')
    expect(await storage.outbox()).toMatchObject([{ msgId: left.local.msgId, written: true }])
    expect(next.outbox.cancel(left.local.msgId)).toBe(false)
    server.onSend = () => 'default'
    await clock.advance(60_000)
    expect(server.log(DIRECT).map(({ msgId }) => msgId)).toEqual([left.local.msgId])
  })

  it('says over a reload how a message ended, and revives it when the log turns out to have it', async () => {
    const storage = memoryStore()
    const { im, client, server, clock } = harness({ storage, userId: 'alice' })
    server.onSend = () => 'ignore'
    await im.connect()
    const chat = im.conversations.direct('bob')
    const left = chat.send(text('left'))
    await chat.open()
    await im.disconnect()
    await clock.advance(7 * 86_400_000 + 10)
    expect(await codeOf(left)).toBe('EXPIRED')
    // The row is stored, and the app dies before it could say so.
    await storage.apply(DIRECT, 1, 0, [server.commit(DIRECT, { fromUserId: 'alice', msgId: left.local.msgId, body: text('left') })])
    const next = client()
    const revived: Message[] = []
    next.on('revived', ({ message }) => revived.push(message))
    await next.connect()
    expect(next.outbox.getSnapshot()).toMatchObject([{ status: 'failed', error: { code: 'EXPIRED', extra: { outcome: 'unknown' } } }])
    await next.conversations.direct('bob').open()
    expect(revived.map(({ seq }) => seq)).toEqual([1])
    expect(
      next.conversations
        .direct('bob')
        .messages.getSnapshot()
        .map(({ seq }) => seq),
    ).toEqual([1])
  })

  it('rejects with CLIENT_CLOSED what is open when the client ends', async () => {
    const { im, chat, server, clock } = await connected()
    server.onSend = () => 'ignore'
    const sending = chat.send(text('x'))
    await settle()
    await im.destroy()
    await expect(sending).rejects.toSatisfy((error) => isImError(error, 'CLIENT_CLOSED'))
    expect(clock.pending).toBe(0)
    expect(await codeOf(chat.send(text('y')))).toBe('CLIENT_CLOSED')
    expect(await codeOf(chat.open())).toBe('CLIENT_CLOSED')
  })

  const anyFault = fc.constantFrom('ok', 'ok', 'loseReceipt', 'loseEcho', 'loseBoth', 'drop', 'closeBefore', 'closeAfter', 'busy', 'muted')
  it('stores each message once and in order, and settles every promise, whatever is lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyFault, { minLength: 1, maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 12 }),
        async (faults, count) => {
          const { im, server, clock, messages } = await connected()
          let turn = 0
          const refused = new Set<string>()
          server.onSend = (connection, frame) => {
            if (frame.headers['destination'] !== '/app/chat.sendMessage') return 'default'
            const fault = faults[turn++] ?? 'ok'
            const { msgId } = JSON.parse(frame.body)
            server.fanOut = () => fault !== 'loseEcho' && fault !== 'loseBoth'
            if (fault === 'drop') return 'ignore'
            if (fault === 'busy' || (fault === 'muted' && !server.log(DIRECT).some((entry) => entry.msgId === msgId))) {
              if (fault === 'muted') refused.add(msgId)
              connection.refuse(msgId, fault === 'busy' ? 'BUSY' : 'MUTED', { retryAfterMs: 500 })
              return 'ignore'
            }
            if (fault === 'closeBefore') {
              connection.close(1006)
              return 'ignore'
            }
            const headers = fault === 'loseReceipt' || fault === 'loseBoth' ? {} : frame.headers
            server.answer(connection, { ...frame, headers: { ...headers, destination: '/app/chat.sendMessage' } })
            if (fault === 'closeAfter') connection.close(1006)
            return 'ignore'
          }
          const chat = im.conversations.direct('bob')
          chat.open()
          const sending = Array.from({ length: count }, (_, i) => chat.send(text(String(i))))
          await clock.advance(60 * 60_000)
          const outcomes = await Promise.all(sending.map(codeOf))
          const stored = server.log(DIRECT).map(({ body }) => Number((body as { text: string }).text))
          expect(stored).toEqual(sending.flatMap(({ local }, i) => (refused.has(local.msgId) ? [] : [i])))
          expect(outcomes).toEqual(sending.map(({ local }) => (refused.has(local.msgId) ? 'MUTED' : 'resolved')))
          expect(messages.map(({ seq }) => seq)).toEqual(stored.map((_, i) => i + 1))
          await im.destroy()
        },
      ),
      { numRuns: 40 },
    )
  }, 60_000)
})
