import { describe, expect, it } from 'vitest'
import type { Message } from '../src/index.js'
import { connected, DIRECT, fill, upTo } from './support/chat.js'
import { settle } from './support/harness.js'

describe('what is shown of a conversation', () => {
  it('steps over recalls, edits and kinds it does not know, and shows them in their targets', async () => {
    const { server, chat, messages } = await connected(fill(3))
    await chat.open()
    const [one, two, three] = server.log(DIRECT) as [Message, Message, Message]
    server.commit(DIRECT, { fromUserId: 'bob', kind: 'edit', target: one.msgId, body: { type: 'text', text: 'edited' } })
    server.commit(DIRECT, { fromUserId: 'bob', kind: 'recall', target: two.msgId, body: null })
    server.commit(DIRECT, { fromUserId: 'bob', kind: 'edit', target: two.msgId, body: { type: 'text', text: 'back?' } })
    server.commit(DIRECT, { fromUserId: 'bob', kind: 'reaction', target: three.msgId, body: null })
    server.commit(DIRECT, { fromUserId: 'bob', kind: 'of-the-future' as never })
    server.commit(DIRECT, { fromUserId: 'bob', kind: 'system', body: { type: 'system', event: 'member.joined' } })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual(upTo(9))
    const shown = chat.messages.getSnapshot()
    expect(shown.map(({ seq }) => seq)).toEqual([1, 2, 3, 9])
    expect(shown[0]).toMatchObject({ body: { text: 'edited' }, editedAt: expect.any(Number) })
    expect(shown[1]).toMatchObject({ body: null, recalledAt: expect.any(Number) })
    expect(shown[2]).toMatchObject({ body: three.body })
    expect(shown[2]).not.toHaveProperty('recalledAt')
  })

  it('remembers a recall of an entry that is loaded later', async () => {
    const { server, chat } = await connected(fill(1_300))
    await chat.open()
    const target = server.log(DIRECT)[1_049] as Message
    const recall = server.commit(DIRECT, { fromUserId: 'bob', kind: 'recall', target: target.msgId, body: null })
    await settle()
    // A page that was read before the recall (a replica, a cache) still has the text.
    server.log(DIRECT)[1_049] = target
    await chat.loadOlder({ limit: 200 })
    await chat.loadOlder({ limit: 100 })
    const shown = chat.messages.getSnapshot().find(({ msgId }) => msgId === target.msgId)
    expect(shown).toMatchObject({ seq: 1_050, body: null, recalledAt: recall.timestamp })
  })

  it('tells by ticks how far the others are, forward only, and keeps items that do not change', async () => {
    const { im, server, chat } = await connected()
    await chat.open()
    await chat.send({ type: 'text', text: '1' })
    await chat.send({ type: 'text', text: '2' })
    await settle()
    const statuses = () => chat.messages.getSnapshot().map(({ status }) => status)
    const receipt = (deliveredSeq: number, readSeq: number, userId = 'bob') =>
      server.last.event({ event: 'receipt', conversationId: DIRECT, userId, deliveredSeq, readSeq })
    receipt(2, 1)
    await settle()
    expect(statuses()).toEqual(['read', 'delivered'])
    const [first] = chat.messages.getSnapshot()
    receipt(1, 0)
    receipt(2, 2, 'alice')
    await settle()
    expect(statuses()).toEqual(['read', 'delivered'])
    expect(chat.messages.getSnapshot()[0]).toBe(first)
    expect(im.conversations.direct('bob')).toBe(chat)
  })

  it('takes positions of others from pages, so that ticks survive a reload', async () => {
    const { server, chat } = await connected((all) => all.server.commit(DIRECT, { fromUserId: 'alice' }))
    server.onRequest = async () => {
      const messages = server.log(DIRECT)
      const receipts = [{ userId: 'bob', deliveredSeq: 1, readSeq: 1 }]
      return Response.json({ messages, hasMore: false, nextAfterSeq: 1, floorSeq: 1, epoch: 1, receipts })
    }
    await chat.open()
    expect(chat.messages.getSnapshot().map(({ status }) => status)).toEqual(['read'])
  })

  it('follows own cursors of other devices, typing, and forgets typing after five seconds', async () => {
    const { im, server, chat, clock } = await connected(fill(4))
    server.last.event({ event: 'cursor', conversationId: DIRECT, deliveredSeq: 4, readSeq: 3, unread: 1, headOrd: 4 })
    server.last.event({ event: 'typing', conversationId: DIRECT, userId: 'bob' })
    await settle()
    expect(chat.getSnapshot()).toMatchObject({ unread: 1, readSeq: 3, typing: ['bob'] })
    expect(im.conversations.totalUnread.getSnapshot()).toBe(1)
    await clock.advance(5_000)
    expect(chat.getSnapshot().typing).toEqual([])
    chat.typing()
    chat.typing()
    await settle()
    expect(server.last.received.filter(({ headers }) => headers['destination'] === '/app/chat.typing')).toHaveLength(1)
  })

  it('takes typing as over when what was typed comes, though the summary told of it first', async () => {
    const { server, chat, clock } = await connected(fill(1))
    const seen: (readonly string[])[] = []
    chat.subscribe(() => seen.push(chat.getSnapshot().typing))
    server.last.event({ event: 'typing', conversationId: DIRECT, userId: 'bob' })
    server.last.event({ event: 'typing', conversationId: DIRECT, userId: 'carol' })
    await settle()
    server.fanOut = () => false
    const message = server.commit(DIRECT, { fromUserId: 'bob' })
    server.last.event({ ...server.summaryOf('alice', DIRECT), event: 'conversation' })
    server.fanOut = () => true
    server.publish(message)
    await settle()
    expect(chat.getSnapshot().typing).toEqual(['carol'])
    expect(seen.at(-1)).toEqual(['carol'])
    await clock.advance(5_000)
    expect(chat.getSnapshot().typing).toEqual([])
  })

  it('takes a send from another device as having seen what came before', async () => {
    const { server, chat } = await connected(fill(3))
    server.commit(DIRECT, { fromUserId: 'alice' })
    await settle()
    expect(chat.getSnapshot()).toMatchObject({ unread: 0, lastMessage: { seq: 4 } })
    server.commit(DIRECT, { fromUserId: 'bob', mentions: ['alice'] })
    await settle()
    expect(chat.getSnapshot()).toMatchObject({ unread: 1, mentionSeq: 5 })
  })

  it('counts over all what came since the server read its summary', async () => {
    const { im, server, chat } = await connected(fill(3))
    const read = server.summary('alice')
    server.commit(DIRECT, { fromUserId: 'alice' })
    server.commit('d~alice~zoe', { fromUserId: 'zoe' })
    server.commit('d~alice~zoe', { fromUserId: 'zoe' })
    await settle()
    expect(im.conversations.totalUnread.getSnapshot()).toBe(2)
    server.last.event({
      ...read,
      conversations: [...read.conversations, { ...server.summaryOf('alice', 'd~alice~zoe'), headSeq: 1, headOrd: 1, unread: 1 }],
      totalUnread: 4,
    })
    await settle()
    expect([chat.getSnapshot().unread, im.conversations.totalUnread.getSnapshot()]).toEqual([0, 2])
  })

  it.each(['all conversations', 'the newest of many'])(
    'counts over all what began since the server read its summary of %s, and asks for its title',
    async (of) => {
      const { im, server, clock } = await connected(fill(3))
      const read = { ...server.summary('alice'), ...(of === 'the newest of many' && { next: 'more', totalUnread: 9 }) }
      const { totalUnread } = im.conversations
      server.commit('d~alice~zoe', { fromUserId: 'zoe' })
      await settle()
      // This read is answered late, and another conversation begins while it is under way.
      server.onRequest = () => {
        server.onRequest = () => undefined
        const early = Response.json(server.summary('alice'))
        return new Promise((resolve) => clock.after(2_000, () => resolve(early)))
      }
      await clock.advance(500)
      server.commit('d~alice~yan', { fromUserId: 'yan' })
      await settle()
      server.last.event(read)
      await settle()
      expect(totalUnread.getSnapshot()).toBe(read.totalUnread + 2)
      await clock.advance(2_100)
      expect(totalUnread.getSnapshot()).toBe(5)
      await clock.advance(10_000)
      expect(totalUnread.getSnapshot()).toBe(5)
      expect(server.requests.filter(({ path }) => path === '/api/im/offline/summary')).toHaveLength(2)
    },
  )

  it('does not list what was opened by its id until somebody has told of it, as it has no title and no place there', async () => {
    const { im, server, chat } = await connected(({ server }) => {
      fill(3)({ server })
      server.sendSummary = false
    })
    server.last.event({ event: 'summary', at: 0, epoch: 1, conversations: [], next: 'more', totalUnread: 0 })
    await chat.open()
    expect(chat.getSnapshot()).toMatchObject({ sync: 'live', headSeq: 3 })
    expect(im.conversations.getSnapshot()).toEqual([])
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    expect(im.conversations.getSnapshot().map(({ conversationId }) => conversationId)).toEqual([DIRECT])
  })

  it('does not let a cursor event that crossed a markRead bring the badge back', async () => {
    const { server, chat } = await connected(fill(3))
    await chat.open()
    chat.markRead()
    server.last.event({ event: 'cursor', conversationId: DIRECT, deliveredSeq: 3, readSeq: 1, unread: 2, headOrd: 3 })
    await settle()
    expect(chat.getSnapshot()).toMatchObject({ unread: 0, readSeq: 3 })
  })

  it.each(['before', 'after'])(
    'counts the same whether a cursor event comes before or after the entries it did not count: %s',
    async (order) => {
      const { server, chat } = await connected(fill(3))
      const told = () => server.last.event({ event: 'cursor', conversationId: DIRECT, deliveredSeq: 3, readSeq: 2, unread: 1, headOrd: 3 })
      if (order === 'before') told()
      server.commit(DIRECT, { fromUserId: 'bob' })
      server.commit(DIRECT, { fromUserId: 'bob' })
      if (order === 'after') told()
      await settle()
      expect(chat.getSnapshot()).toMatchObject({ headSeq: 5, readSeq: 2, unread: 3 })
    },
  )

  it('asks for the summary when a conversation begins', async () => {
    const { im, server, clock } = await connected(undefined, { open: 'lazy' })
    server.commit('d~alice~zoe', { fromUserId: 'zoe' })
    await settle()
    expect(im.conversations.getSnapshot().map(({ conversationId, unread }) => [conversationId, unread])).toEqual([['d~alice~zoe', 1]])
    await clock.advance(1_000)
    expect(server.requests.map(({ path }) => path)).toEqual(['/api/im/offline/summary'])
    expect(im.conversations.totalUnread.getSnapshot()).toBe(1)
  })

  it('does not ask for the summary once it is disconnected', async () => {
    const { im, server, clock } = await connected()
    server.sendSummary = false
    server.commit('g~new', { fromUserId: 'bob' })
    server.members = () => ['alice']
    server.publish(server.log('g~new')[0] as Message)
    await settle()
    await im.disconnect()
    await clock.advance(10_000)
    expect(server.requests).toEqual([])
    expect(clock.pending).toBe(0)
  })
})
