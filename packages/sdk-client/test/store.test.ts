import { describe, expect, it } from 'vitest'
import { memoryStore, type ImStore } from '../src/index.js'
import { connected, DIRECT, fill, seqs, upTo } from './support/chat.js'
import { settle } from './support/harness.js'

describe('a device store', () => {
  it('opens everything by itself where asked to, and bounds what a bot keeps', async () => {
    const { server, messages, clock, chat } = await connected(fill(3), { open: 'eager' })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
    server.commit('d~alice~zoe', { fromUserId: 'zoe' })
    await clock.advance(2_000)
    expect(messages.map(({ conversationId }) => conversationId)).toContain('d~alice~zoe')
    for (let i = 0; i < 2_100; i++) {
      server.commit(DIRECT, { fromUserId: 'bob' })
      if (i % 50 === 0) await settle()
    }
    await settle()
    expect(messages.filter(({ conversationId }) => conversationId === DIRECT).map(({ seq }) => seq)).toEqual(upTo(2_103))
    expect(seqs(chat).length).toBeLessThanOrEqual(2_000)
    const [oldest = 0] = seqs(chat)
    await chat.loadOlder({ limit: 10 })
    expect(seqs(chat)[0]).toBe(oldest - 10)
  })

  it('starts from what its store holds, and tells each entry once per store', async () => {
    const storage = memoryStore()
    const { im, client, server, chat, messages } = await connected(fill(3), { storage })
    await chat.open()
    await im.destroy()
    fill(2)({ server } as never)
    const next = client()
    const told: number[] = []
    next.on('message', ({ message }) => told.push(message.seq))
    await next.connect()
    const again = next.conversations.get(DIRECT)
    await again.open()
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(told).toEqual([4, 5])
    expect(seqs(again)).toEqual([1, 2, 3, 4, 5])
  })

  it('goes on in memory when the store fails, and says so once', async () => {
    const broken = Object.fromEntries(
      ['open', 'epoch', 'reset', 'position', 'rows', 'apply', 'outbox', 'putOutbox', 'deleteOutbox', 'close', 'clear'].map((name) => [
        name,
        async () => {
          throw new Error('QuotaExceeded')
        },
      ]),
    ) as unknown as ImStore
    const { server, chat, messages, errors } = await connected(fill(3), { storage: broken })
    await chat.open()
    await chat.send({ type: 'text', text: 'x' })
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(errors.map(({ code }) => code)).toEqual(['STORAGE_UNAVAILABLE'])
  })

  it('shows but does not tell what another writer of the store had first', async () => {
    const storage = memoryStore()
    const { client, server, chat, messages } = await connected(fill(1), { storage })
    const other = client()
    const told: number[] = []
    other.on('message', ({ message }) => told.push(message.seq))
    await other.connect()
    await chat.open()
    await other.conversations.get(DIRECT).open()
    server.commit(DIRECT, { fromUserId: 'bob' })
    server.commit(DIRECT, { fromUserId: 'bob' })
    await settle()
    expect([...messages.map(({ seq }) => seq), ...told].sort()).toEqual([1, 2, 3])
    expect(seqs(other.conversations.get(DIRECT))).toEqual([1, 2, 3])
  })
})
