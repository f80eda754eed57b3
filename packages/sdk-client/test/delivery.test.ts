import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore, type ImStore } from '../src/index.js'
import { connected, DIRECT, fill, seqs, upTo } from './support/chat.js'
import { harness, settle } from './support/harness.js'

describe('delivery', () => {
  it('keeps a conversation dormant until it is opened: head, preview and unread only', async () => {
    const { im, server, chat, messages } = await connected(fill(3))
    expect(chat.getSnapshot()).toMatchObject({ sync: 'dormant', headSeq: 3, unread: 3 })
    server.commit(DIRECT, { fromUserId: 'bob', body: { type: 'text', text: 'new\n line' } })
    await settle()
    expect(chat.getSnapshot()).toMatchObject({ headSeq: 4, unread: 4, lastMessage: { preview: 'new line' } })
    expect(im.conversations.totalUnread.getSnapshot()).toBe(4)
    expect(messages).toEqual([])
    expect(server.requests).toEqual([])
  })

  it('pulls the backlog in pages when opened, acknowledges what it holds, and is live', async () => {
    const { server, chat, messages, clock } = await connected(fill(450))
    await chat.open()
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(450))
    expect(chat.getSnapshot()).toMatchObject({ sync: 'live', hasOlder: false, holes: [] })
    expect(server.requests.map(({ query }) => query.get('afterSeq'))).toEqual(upTo(9).map((page) => String(50 * (page - 1))))
    await clock.advance(1_000)
    expect(server.acks.at(-1)).toEqual({ conversationId: DIRECT, deliveredSeq: 450 })
    expect(server.acks.length).toBeLessThanOrEqual(2)
  })

  it('coalesces acknowledgements to one a second, and repeats what was not confirmed', async () => {
    const { server, chat, clock } = await connected(fill(1))
    await chat.open()
    await clock.advance(10)
    expect(server.acks).toEqual([{ conversationId: DIRECT, deliveredSeq: 1 }])
    for (let i = 0; i < 10; i++) server.commit(DIRECT, { fromUserId: 'bob' })
    chat.markRead()
    await settle()
    chat.markRead()
    server.onSend = (_, { headers }) => (headers['destination'] === '/app/chat.ack' ? 'ignore' : 'default')
    await clock.advance(1_000)
    expect(server.acks).toHaveLength(1)
    server.onSend = () => 'default'
    server.last.close(1006)
    await clock.advance(5_000)
    expect(server.acks.slice(1)).toEqual([{ conversationId: DIRECT, deliveredSeq: 11, readSeq: 11 }])
    expect(chat.getSnapshot()).toMatchObject({ unread: 0, readSeq: 11 })
  })

  it('acknowledges again what a living connection does not confirm', async () => {
    const { server, chat, clock } = await connected(fill(1))
    server.onSend = (_, { headers }) => (headers['destination'] === '/app/chat.ack' ? 'ignore' : 'default')
    await chat.open()
    await clock.advance(9_000)
    server.onSend = () => 'default'
    expect(server.acks).toEqual([])
    await clock.advance(1_500)
    expect(server.acks).toEqual([{ conversationId: DIRECT, deliveredSeq: 1 }])
    await clock.advance(60_000)
    expect([server.acks.length, server.connections.length]).toEqual([1, 1])
  })

  it('acknowledges before it leaves, and again what an earlier run could not', async () => {
    const storage = memoryStore()
    const { im, client, server, chat, clock } = await connected(fill(1), { storage })
    await chat.open()
    await clock.advance(10)
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    chat.markRead()
    await im.destroy()
    expect(server.acks.at(-1)).toEqual({ conversationId: DIRECT, deliveredSeq: 2, readSeq: 2 })
    // This server has forgotten: its summary says deliveredSeq 0.
    server.acks.length = 0
    const next = client()
    await next.connect()
    await next.conversations.get(DIRECT).open()
    server.last.event({ ...server.summary('alice') })
    await clock.advance(1_000)
    expect(server.acks).toEqual([{ conversationId: DIRECT, deliveredSeq: 2 }])
  })

  it('goes on when a node answers from an epoch that is over', async () => {
    const { server, chat, clock } = await connected(fill(2))
    let stale = 1
    server.onRequest = () => {
      if (stale-- <= 0) return undefined
      return Response.json({ messages: [], hasMore: false, nextAfterSeq: 0, floorSeq: 1, epoch: 0 })
    }
    const opened = chat.open()
    await clock.advance(2_000)
    await opened
    expect(seqs(chat)).toEqual([1, 2])
  })

  it('reads only the newest page of a very long backlog and leaves the rest as a hole to be loaded', async () => {
    const { server, chat, messages } = await connected(fill(1_500))
    await chat.open()
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(1_500, 1_451))
    expect(chat.getSnapshot()).toMatchObject({ sync: 'live', hasOlder: true, holes: [{ fromSeq: 1, toSeq: 1_450 }] })
    const both = [chat.loadOlder({ limit: 100 }), chat.loadOlder()]
    expect(both[0]).toBe(both[1])
    expect(await both[0]).toEqual({ hasMore: true })
    expect(seqs(chat)).toEqual(upTo(1_500, 1_351))
    while ((await chat.loadOlder({ limit: 200 })).hasMore);
    expect(seqs(chat)).toEqual(upTo(1_500))
    expect(chat.holes).toEqual([])
    expect(messages).toHaveLength(50)
    const before = server.requests.length
    expect(await chat.loadOlder()).toEqual({ hasMore: false })
    expect(server.requests.length).toBe(before)
  })

  it('takes what lies under the floor as gone, and as a hole when the floor falls', async () => {
    const { server, chat, messages } = await connected((all) => {
      fill(20)(all)
      all.server.floors.set(DIRECT, 11)
    })
    await chat.open()
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(20, 11))
    expect(chat.getSnapshot()).toMatchObject({ holes: [], hasOlder: false, floorSeq: 11 })
    server.floors.set(DIRECT, 6)
    server.last.event({ ...server.summaryOf('alice', DIRECT), event: 'conversation' })
    await settle()
    expect(chat.holes).toEqual([{ fromSeq: 6, toSeq: 10 }])
    await chat.loadOlder()
    expect(seqs(chat)).toEqual(upTo(20, 6))
  })

  it('fills a hole left by lost frames, first by waiting, then by pulling', async () => {
    const { server, chat, messages, clock } = await connected(fill(2))
    await chat.open()
    const pulled = server.requests.length
    server.fanOut = () => false
    const three = server.commit(DIRECT, { fromUserId: 'bob' })
    server.fanOut = () => true
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    expect(chat.getSnapshot().sync).toBe('pulling')
    server.publish(three)
    await clock.advance(200)
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(server.requests.length).toBe(pulled)

    server.fanOut = (_, { seq }) => seq !== 5
    server.commit(DIRECT, { fromUserId: 'bob' })
    server.commit(DIRECT, { fromUserId: 'bob' })
    await clock.advance(200)
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6])
    expect(server.requests.length).toBe(pulled + 1)
    expect(chat.getSnapshot().sync).toBe('live')
  })

  it('learns of a lost last frame by the heads heart-beat', async () => {
    const { server, chat, messages, clock } = await connected(fill(2))
    await chat.open()
    server.fanOut = () => false
    server.commit(DIRECT, { fromUserId: 'bob' })
    await clock.advance(31_000)
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  it('reads on after a reconnect, once', async () => {
    const { server, chat, messages, clock } = await connected(fill(2))
    await chat.open()
    server.last.close(1006)
    await settle()
    fill(3)({ server } as never)
    await clock.advance(2_000)
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(chat.getSnapshot().sync).toBe('live')
  })

  it('reads on to be sure where the summary had no room for an open conversation', async () => {
    const { server, chat, messages, clock } = await connected(fill(2))
    await chat.open()
    server.last.close(1006)
    await settle()
    server.sendSummary = false
    fill(1)({ server } as never)
    await clock.advance(2_000)
    expect(chat.getSnapshot().headSeq).toBe(2)
    server.last.event({ event: 'summary', at: 0, epoch: 1, conversations: [], next: 'more', totalUnread: 0 })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  it.each(['lag', 'resync'])('trusts nothing after a %s until the summary', async (event) => {
    const { server, chat, messages } = await connected(fill(2))
    await chat.open()
    server.last.event({ event })
    server.fanOut = () => false
    fill(5)({ server } as never)
    await settle()
    expect(chat.getSnapshot().sync).toBe('pulling')
    // A hint that was on its way says nothing of what was dropped since.
    server.last.event({ ...server.summaryOf('alice', DIRECT), headSeq: 2, event: 'conversation' })
    await settle()
    expect(chat.getSnapshot().sync).toBe('pulling')
    server.last.event({ ...server.summary('alice') })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(7))
    expect(chat.getSnapshot().sync).toBe('live')
  })

  it('starts no pull between a lag and the summary, as nobody would notice what comes meanwhile', async () => {
    const { server, chat } = await connected(fill(2))
    server.last.event({ event: 'lag' })
    await settle()
    const opened = chat.open()
    await settle()
    expect([server.requests, chat.getSnapshot().sync]).toEqual([[], 'pulling'])
    server.last.event({ ...server.summary('alice') })
    await opened
    expect(seqs(chat)).toEqual([1, 2])
  })

  it('reads again what was being read when a summary does not name the conversation', async () => {
    const { server, chat, messages, clock } = await connected(fill(2))
    let release = () => {}
    server.onRequest = () => {
      server.onRequest = () => undefined
      const page = Response.json({ messages: server.log(DIRECT).slice(0, 2), hasMore: false, nextAfterSeq: 2, floorSeq: 1, epoch: 1 })
      return new Promise((resolve) => (release = () => resolve(page)))
    }
    const opened = chat.open()
    await settle()
    // The page was read; what is committed until the next attach comes in no frame.
    server.last.close(1006)
    await settle()
    fill(1)({ server } as never)
    server.sendSummary = false
    await clock.advance(2_000)
    server.last.event({ event: 'summary', at: 0, epoch: 1, conversations: [], next: 'more', totalUnread: 0 })
    await settle()
    release()
    await opened
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  it('asks with its heart-beats for all open conversations, 64 at a time', async () => {
    const ids = Array.from({ length: 100 }, (_, i) => `d~alice~u${i}`)
    const { server, clock, im } = await connected(({ server }) => {
      for (const id of ids) server.commit(id, { fromUserId: 'bob' })
    })
    await Promise.all(ids.map((id) => im.conversations.get(id).open()))
    server.fanOut = () => false
    for (const id of ids) server.commit(id, { fromUserId: 'bob' })
    await clock.advance(61_000)
    expect(ids.filter((id) => im.conversations.get(id).getSnapshot().headSeq < 2)).toEqual([])
  })

  it('does not pull before the server has told where things stand', async () => {
    const { server, chat, clock } = await connected((all) => {
      fill(2)(all)
      all.server.sendSummary = false
    })
    const opened = chat.open()
    await clock.advance(5_000)
    expect(server.requests).toEqual([])
    server.last.event({ ...server.summary('alice') })
    await opened
    expect(seqs(chat)).toEqual([1, 2])
  })

  it('goes on trying a pull that fails, and honours retryAfterMs', async () => {
    const { server, chat, clock } = await connected(fill(2))
    let calls = 0
    server.onRequest = () => {
      calls++
      if (calls === 1) return Response.json({ code: 'BUSY', retry: 'later', retryAfterMs: 2_000 }, { status: 503 })
      if (calls === 2) throw new TypeError('network')
      return undefined
    }
    const opened = chat.open()
    await clock.advance(1_900)
    expect(calls).toBe(1)
    await clock.advance(5_000)
    await opened
    expect(calls).toBe(3)
  })

  it('rejects an open that can never succeed', async () => {
    const { im } = await connected()
    await expect(im.conversations.get('g~secret').open()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(im.conversations.get('g~secret').getSnapshot().sync).toBe('dormant')
  })

  it('takes no 404 for a no where something is known of the conversation, nor a page that is none', async () => {
    const team = 'g~team'
    const { im, server, clock, messages } = await connected(({ server }) => {
      server.members = () => ['alice', 'bob']
      for (let i = 0; i < 2; i++) server.commit(team, { fromUserId: 'bob' })
    })
    const chat = im.conversations.get(team)
    const answers = [
      () => Response.json({ code: 'NOT_FOUND', retry: 'never' }, { status: 404 }),
      () => Response.json({}),
      () => new Response('<html>not here', { status: 404 }),
    ]
    server.onRequest = () => answers.pop()?.()
    const opened = chat.open()
    await settle()
    expect(chat.getSnapshot().sync).toBe('pulling')
    await clock.advance(30_000)
    await opened
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2])
    expect(server.connections).toHaveLength(1)
  })

  it('counts opens, and a close by signal is one', async () => {
    const { server, chat } = await connected(fill(2))
    const controller = new AbortController()
    await Promise.all([chat.open(), chat.open()])
    const third = chat.open({ signal: controller.signal })
    await third
    chat.close()
    chat.close()
    await settle()
    expect(chat.getSnapshot().sync).toBe('live')
    chat.close()
    await settle()
    expect(chat.getSnapshot().sync).toBe('dormant')
    chat.close()
    const cancelled = chat.open({ signal: AbortSignal.abort() })
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' })
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    expect(seqs(chat)).toEqual([1, 2])
    await chat.open()
    expect(seqs(chat)).toEqual([1, 2, 3])
  })

  it('does not call the first epoch a change', async () => {
    const { im } = harness()
    const epochs: unknown[] = []
    im.on('epoch', (event) => epochs.push(event))
    await im.connect()
    await settle()
    expect(epochs).toEqual([])
  })

  it('voids rows that a slow store is still writing when the epoch changes', async () => {
    const memory = memoryStore()
    let release = () => {}
    let slow = false
    const storage: ImStore = {
      ...memory,
      async apply(...args) {
        if (slow) await new Promise<void>((resolve) => (release = resolve))
        return memory.apply(...args)
      },
    }
    const { server, chat, messages, clock } = await connected(fill(2), { storage })
    await chat.open()
    messages.length = 0
    slow = true
    server.commit(DIRECT, { fromUserId: 'bob', body: { type: 'text', text: 'of the old log' } })
    await settle()
    slow = false
    server.epoch = 2
    server.logs.set(DIRECT, [])
    fill(1)({ server: { commit: (id: string, entry: never) => server.commit(id, entry) } } as never)
    server.last.event({ ...server.summary('alice') })
    await clock.advance(2_000)
    release()
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual([1])
    expect(seqs(chat)).toEqual([1])
    expect(await storage.position(DIRECT)).toEqual({ lowSeq: 0, lastSeq: 1 })
  })

  it('drops positions and rows when the epoch changes, never the outbox, and reads again', async () => {
    const { im, server, chat, clock, messages } = await connected(fill(5))
    const epochs: unknown[] = []
    im.on('epoch', (event) => epochs.push(event))
    await chat.open()
    server.onSend = (_, { headers }) => (headers['destination'] === '/app/chat.sendMessage' ? 'ignore' : 'default')
    const sending = chat.send({ type: 'text', text: 'kept' })
    await settle()
    // A restore: the log is shorter now, and other.
    server.epoch = 2
    server.logs.set(DIRECT, [])
    fill(2)({ server: { commit: (id: string, entry: never) => server.commit(id, entry) } } as never)
    server.onSend = () => 'default'
    server.last.close(1006)
    messages.length = 0
    await clock.advance(5_000)
    expect(epochs).toEqual([{ epoch: 2, before: 1 }])
    expect(await sending).toMatchObject({ seq: 3 })
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(seqs(chat)).toEqual([1, 2, 3])
  })

  it('notices a new epoch on a living connection', async () => {
    const { server, chat, clock, messages } = await connected(fill(5))
    await chat.open()
    messages.length = 0
    server.epoch = 2
    await clock.advance(32_000)
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(chat.getSnapshot().sync).toBe('live')
  })

  it('takes no frames of a node that has not heard of the epoch yet, and goes to one that has', async () => {
    const { im, server, chat, clock, messages } = await connected(fill(3))
    await chat.open()
    server.epoch = 2
    server.last.event({ ...server.summary('alice') })
    // The next node still serves the log that is over.
    server.epoch = 1
    messages.length = 0
    await clock.advance(3_000)
    fill(1)({ server } as never)
    await clock.advance(10_000)
    expect(messages).toEqual([])
    expect(im.connection.getSnapshot()).toMatchObject({ error: { code: 'EPOCH_CHANGED' } })
    server.epoch = 2
    await clock.advance(60_000)
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(im.connection.getSnapshot()).toMatchObject({ status: 'connected', epoch: 2 })
  })

  it('does not take the page of a newer epoch for an answer to what it asked in its own', async () => {
    const { server, chat, clock, messages } = await connected(fill(60))
    server.onRequest = () => {
      server.epoch = 2
      return undefined
    }
    chat.open()
    await clock.advance(5_000)
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(60))
    expect(server.connections.length).toBe(2)
  })

  const anyMove = fc.oneof(
    fc.record({ move: fc.constant('commit' as const), count: fc.integer({ min: 1, max: 8 }), lossy: fc.boolean(), shuffled: fc.boolean() }),
    fc.record({ move: fc.constant('drop' as const), code: fc.constantFrom(1006, 1012, 4000) }),
    fc.record({ move: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 12_000 }) }),
    fc.record({ move: fc.constantFrom('send' as const, 'lag' as const, 'freeze' as const, 'toggle' as const, 'failRest' as const) }),
  )
  it('tells every entry once, in order, whatever happens to frames, pages and sockets', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyMove, { minLength: 1, maxLength: 25, size: 'max' }), async (moves) => {
        const { im, server, chat, messages, clock } = await connected(fill(2))
        const sending: Promise<unknown>[] = []
        chat.open()
        let opened = true
        let failing = 0
        server.onRequest = () => (failing-- > 0 ? new Response('', { status: 502 }) : undefined)
        for (const move of moves) {
          if (move.move === 'commit') {
            server.fanOut = () => false
            const entries = Array.from({ length: move.count }, () => server.commit(DIRECT, { fromUserId: 'bob' }))
            server.fanOut = () => true
            const pushed = entries.filter((_, i) => !move.lossy || i % 3 !== 1)
            if (move.shuffled) pushed.reverse()
            for (const entry of [...pushed, ...pushed.slice(0, 2)]) server.publish(entry)
          } else if (move.move === 'drop') for (const connection of server.live) connection.close(move.code)
          else if (move.move === 'wait') await clock.advance(move.ms)
          else if (move.move === 'send') sending.push(chat.send({ type: 'text', text: 'own' }))
          else if (move.move === 'freeze') for (const connection of server.live) connection.freeze()
          else if (move.move === 'failRest') failing = 2
          else if (move.move === 'lag') {
            for (const connection of server.live) {
              connection.event({ event: 'lag' })
              connection.event({ ...server.summary('alice') })
            }
          } else {
            if (opened) chat.close()
            else chat.open()
            opened = !opened
          }
        }
        if (!opened) chat.open()
        await clock.advance(180_000)
        await Promise.all(sending)
        const log = server.log(DIRECT)
        expect(messages.map(({ seq }) => seq)).toEqual(upTo(log.length))
        expect(messages.map(({ msgId }) => msgId)).toEqual(log.map(({ msgId }) => msgId))
        expect(seqs(chat)).toEqual(upTo(log.length))
        expect(chat.getSnapshot().sync).toBe('live')
        await im.destroy()
        expect(clock.pending).toBe(0)
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
