import { describe, expect, it } from 'vitest'
import { memoryStore, type ImStore } from '../src/index.js'
import { connected, DIRECT, fill, seqs, upTo } from './support/chat.js'
import { type Harness, settle } from './support/harness.js'

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

  it('is asked nothing before it is open, though messages are written offline at once', async () => {
    const inner = memoryStore()
    const calls: string[] = []
    let isOpen = false
    const strict = new Proxy(inner, {
      get:
        (target, method: keyof ImStore) =>
        async (...args: never[]) => {
          calls.push(method)
          if (method !== 'open' && !isOpen) throw new Error('not open')
          const answer = await (target[method] as (...all: never[]) => Promise<unknown>)(...args)
          if (method === 'open') isOpen = true
          return answer
        },
    })
    const setup = ({ im }: Pick<Harness, 'im'>): void => {
      const { send } = im.conversations.get(DIRECT)
      void send({ type: 'text', text: 'before' })
    }
    const { errors, server } = await connected(setup, { storage: strict, userId: 'alice' })
    await settle()
    expect(calls[0]).toBe('open')
    expect(calls.filter((call) => call === 'putOutbox').length).toBeGreaterThan(0)
    expect(errors).toEqual([])
    expect(server.log(DIRECT).map(({ body }) => body)).toEqual([{ type: 'text', text: 'before' }])
    expect(await inner.outbox()).toEqual([])
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

  it('tells each entry once though two writers read pages that overlap, and the store has no gap', async () => {
    const storage = memoryStore()
    const { client, server, chat, messages } = await connected(fill(10), { storage })
    const other = client()
    const told: number[] = []
    other.on('message', ({ message }) => told.push(message.seq))
    await other.connect()
    const theirs = other.conversations.get(DIRECT)
    await Promise.all([chat.open(), theirs.open()])
    // One is ahead of what the other reads in one page; from then on it is alone.
    theirs.close()
    fill(7)({ server } as never)
    await settle()
    chat.close()
    fill(30)({ server } as never)
    await settle()
    await theirs.open()
    fill(3)({ server } as never)
    await settle()
    expect([...messages.map(({ seq }) => seq), ...told].sort((a, b) => a - b)).toEqual(upTo(50))
    expect(await storage.position(DIRECT)).toEqual({ lowSeq: 0, lastSeq: 50 })
    expect((await storage.rows(DIRECT, 1, 99)).map(({ seq }) => seq)).toEqual(upTo(50))
  })

  it('acknowledges nothing that the store does not hold yet', async () => {
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
    const { server, chat, clock } = await connected(fill(2), { storage })
    await chat.open()
    await clock.advance(2_000)
    server.acks.length = 0
    slow = true
    fill(1)({ server } as never)
    server.last.event({ ...server.summary('alice') })
    await clock.advance(2_000)
    chat.markRead()
    await clock.advance(2_000)
    expect(server.acks.every(({ deliveredSeq = 0, readSeq = 0 }) => deliveredSeq < 3 && readSeq < 3)).toBe(true)
    release()
    await clock.advance(2_000)
    expect(server.acks.at(-1)).toEqual({ conversationId: DIRECT, deliveredSeq: 3 })
  })

  it('is not asked after it was closed, though a frame was on its way', async () => {
    const memory = memoryStore()
    let closed = false
    const late: string[] = []
    const storage = new Proxy(memory, {
      get:
        (target, method: keyof ImStore) =>
        async (...args: never[]) => {
          if (closed) late.push(method)
          if (method === 'close') closed = true
          return (target[method] as (...all: never[]) => Promise<unknown>)(...args)
        },
    })
    const { im, server, chat } = await connected(fill(2), { storage })
    await chat.open()
    fill(3)({ server } as never)
    await im.destroy()
    await settle()
    expect(late).toEqual([])
  })

  it('does not put rows of an epoch that is over before those of the new one', async () => {
    const memory = memoryStore()
    let release = () => {}
    const storage: ImStore = {
      ...memory,
      async rows(id, from, to) {
        const found = await memory.rows(id, from, to)
        if (to === 70) await new Promise<void>((resolve) => (release = resolve))
        return found
      },
    }
    const { im, client, server, chat, clock } = await connected(fill(120), { storage })
    await chat.open()
    await im.destroy()
    const next = client()
    await next.connect()
    const again = next.conversations.get(DIRECT)
    await again.open()
    expect(seqs(again)).toEqual(upTo(120, 71))
    const older = again.loadOlder()
    await settle()
    // The restored storage has fewer entries.
    server.log(DIRECT).length = 60
    server.epoch = 2
    server.last.event({ ...server.summary('alice') })
    await clock.advance(2_000)
    expect(seqs(again)).toEqual(upTo(60))
    release()
    expect(await older).toEqual({ hasMore: false })
    expect(seqs(again)).toEqual(upTo(60))
  })
})
