import { directConversationId, ImError, isImError, type SentMessage } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { memoryStorage } from '../../src/memory/index.js'
import type { AppendBatch, AppendResult, Principal, Storage } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'
import { startTestNode, type TestNode } from '../support/test-node.js'

const alice: Principal = { userId: 'alice', userType: 'user' }
const bob: Principal = { userId: 'bob', userType: 'user' }
const conversationId = directConversationId('alice', 'bob')
const limits = { sendsPerSecond: 10_000, sendBurst: 10_000 }

const to = (toUserId: string, text: string, msgId?: string) => validate(sendRequest, { toUserId, msgId, body: { type: 'text', text } })

const send = (node: TestNode, principal: Principal, text: string, msgId?: string): Promise<SentMessage> =>
  node.send.execute(principal, to(principal.userId === 'alice' ? 'bob' : 'alice', text, msgId))

/** A storage whose appends go through `append`. */
function storageWith(append: (batch: AppendBatch, real: Storage) => Promise<readonly AppendResult[]>): Storage {
  const real = memoryStorage({ clock: new TestClock() })
  return new Proxy(real, {
    get(target, name) {
      if (name === 'appendMessages') return (batch: AppendBatch) => append(batch, target)
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('sending', () => {
  it('opens a direct conversation once, whoever begins and however many at a time', async () => {
    const node = await startTestNode({ limits })
    const sent = await Promise.all(Array.from({ length: 20 }, (_, i) => send(node, i % 2 === 0 ? alice : bob, `${i}`)))
    expect(new Set(sent.map((one) => one.conversationId))).toEqual(new Set([conversationId]))
    expect(sent.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect((await node.storage.readHeads([conversationId]))[0]?.headSeq).toBe(20)
  })

  it('asks the directory before it opens a chat with somebody, and never again', async () => {
    const asked: (readonly string[])[] = []
    const node = await startTestNode({
      limits,
      directory: {
        profiles: async (userIds) => {
          asked.push(userIds)
          return userIds.filter((userId) => userId === 'bob').map((userId) => ({ userId, displayName: 'Bob', userType: 'user' as const }))
        },
      },
    })
    await expect(node.send.execute(alice, to('bbo', 'hi'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await node.storage.readHeads([directConversationId('alice', 'bbo')])).toEqual([])
    await send(node, alice, '1')
    await send(node, alice, '2')
    expect(asked).toEqual([['bbo'], ['bob']])
  })

  it('is idempotent by msgId: at once, later, and across a race', async () => {
    const node = await startTestNode({ limits })
    const msgId = node.ids.uuid()
    const race = await Promise.all(Array.from({ length: 10 }, () => send(node, alice, 'once', msgId)))
    expect(race.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(new Set(race.map(({ seq }) => seq)).size).toBe(1)
    await node.clock.advance(60_000)
    const later = await send(node, alice, 'once', msgId)
    expect(later).toEqual({ ...race.find(({ duplicate }) => !duplicate), duplicate: true })
    expect((await node.storage.readHeads([conversationId]))[0]?.headSeq).toBe(1)
  })

  it('without a msgId makes one, so that each call is a message of its own', async () => {
    const node = await startTestNode({ limits })
    const [one, two] = [await send(node, alice, 'x'), await send(node, alice, 'x')]
    expect(one.msgId).not.toBe(two.msgId)
    expect(two.seq).toBe(2)
  })

  it('takes the same id with anything different for a conflict', async () => {
    const node = await startTestNode({ limits })
    const msgId = node.ids.uuid()
    const first = { toUserId: 'bob', msgId, body: { type: 'text', text: 'x' } }
    await node.send.execute(alice, validate(sendRequest, first))
    for (const other of [
      { ...first, body: { type: 'text', text: 'y' } },
      { ...first, toUserId: 'carol' },
      { ...first, mentions: ['bob'] },
      { ...first, replyTo: node.ids.uuid() },
    ]) {
      await expect(node.send.execute(alice, validate(sendRequest, other))).rejects.toMatchObject({ code: 'MSG_ID_CONFLICT' })
    }
    await expect(node.send.execute(bob, validate(sendRequest, { ...first, toUserId: 'alice' }))).rejects.toMatchObject({
      code: 'MSG_ID_CONFLICT',
    })
    // Spelled otherwise it is the same request: the target by id, keys in another order.
    const respelled = { body: { text: 'x', type: 'text' }, conversationId, msgId }
    expect(await node.send.execute(alice, validate(sendRequest, respelled))).toMatchObject({ seq: 1, duplicate: true })
  })

  it('says UNAVAILABLE when the answer of a commit was lost, and the retry finds what was committed', async () => {
    let lose = true
    const storage = storageWith(async (batch, real) => {
      const results = await real.appendMessages(batch)
      if (!lose) return results
      lose = false
      throw new ImError('UNAVAILABLE', { retryAfterMs: 1_000 })
    })
    const node = await startTestNode({ storage, limits })
    const bobs = await node.client('bob')
    const msgId = node.ids.uuid()
    await expect(send(node, alice, 'x', msgId)).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'later' })
    expect(await send(node, alice, 'x', msgId)).toMatchObject({ seq: 1, duplicate: true })
    // Nobody published it, so it comes by the feed: late, once.
    await node.clock.advance(2_500)
    expect(bobs.bodies('/user/queue/messages')).toMatchObject([{ seq: 1, msgId }])
  })

  it('passes on what the lock found: rights that have changed between check and commit', async () => {
    const storage = storageWith(async (batch, real) => {
      const { memoryControls } = await import('../../src/memory/controls.js')
      await memoryControls(real).setState(conversationId, 'closed')
      return real.appendMessages(batch)
    })
    const node = await startTestNode({ storage, limits })
    await node.storage.openConversation({ conversationId, chatType: 'direct', userIds: ['alice', 'bob'], nodeId: 'n', now: 0 })
    await expect(send(node, alice, 'x')).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
  })

  it('answers an outage of storage as one, without having lost its place in the order', async () => {
    let down = true
    const storage = storageWith(async (batch, real) => {
      if (down) throw new ImError('UNAVAILABLE', { retryAfterMs: 500 })
      return real.appendMessages(batch)
    })
    const node = await startTestNode({ storage, limits })
    const socket = await node.client('alice')
    for (const text of ['1', '2']) {
      socket.send(
        'SEND',
        { destination: '/app/chat.sendMessage', receipt: text },
        JSON.stringify({ toUserId: 'bob', body: { type: 'text', text } }),
      )
    }
    await node.clock.settle()
    expect(socket.bodies('/user/queue/errors')).toMatchObject([
      { code: 'UNAVAILABLE', retryAfterMs: 500, receipt: '1' },
      { code: 'UNAVAILABLE', retryAfterMs: 500, receipt: '2' },
    ])
    expect(socket.closed).toBeUndefined()
    down = false
    socket.send(
      'SEND',
      { destination: '/app/chat.sendMessage', receipt: '3' },
      JSON.stringify({ toUserId: 'bob', body: { type: 'text', text: '3' } }),
    )
    await node.clock.settle()
    expect(socket.receipt('3')).toBeDefined()
  })

  it('refuses a look-up that fails rather than the message: what cannot be known is not final', async () => {
    const storage = new Proxy(memoryStorage({ clock: new TestClock() }), {
      get(target, name) {
        if (name === 'findByMsgIds') return () => Promise.reject(new ImError('UNAVAILABLE'))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const node = await startTestNode({ storage, limits: { sendsPerSecond: 0.001, sendBurst: 1 } })
    await send(node, alice, '1')
    await expect(send(node, alice, '2', node.ids.uuid())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    // One without an id cannot be a retry, so there is nothing to look up.
    await expect(send(node, alice, '2')).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  })

  it('gives a limit’s wait that is enough, and lets the host’s own sends pass', async () => {
    const node = await startTestNode({ limits: { sendsPerSecond: 2, sendBurst: 1 } })
    await send(node, alice, '1')
    const refused = await send(node, alice, '2').catch((error: unknown) => error)
    expect(isImError(refused, 'RATE_LIMITED')).toBe(true)
    await node.clock.advance((refused as ImError).retryAfterMs ?? 0)
    expect((await send(node, alice, '2')).seq).toBe(2)
    const trusted = await Promise.all(
      Array.from({ length: 5 }, (_, i) => node.send.execute(alice, to('bob', `${i}`), undefined, { trusted: true })),
    )
    expect(trusted.map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7])
  })

  it('commits every accepted message once, densely, whatever is retried and whatever answer is lost', async () => {
    const plan = fc.array(
      fc.record({ id: fc.nat(5), by: fc.constantFrom(alice, bob), text: fc.constantFrom('x', 'y'), lost: fc.boolean() }),
      { minLength: 1, maxLength: 30, size: 'max' },
    )
    await fc.assert(
      fc.asyncProperty(plan, async (steps) => {
        let loseNext = false
        const storage = storageWith(async (batch, real) => {
          const results = await real.appendMessages(batch)
          if (loseNext) throw new ImError('UNAVAILABLE')
          return results
        })
        const node = await startTestNode({ storage, limits })
        const ids = Array.from({ length: 6 }, () => node.ids.uuid())
        const owners = new Map<string, string>()
        const answers = new Map<string, number>()
        for (const { id, by, text, lost } of steps) {
          loseNext = lost
          const msgId = ids[id] as string
          const content = `${by.userId} ${text}`
          const outcome = await send(node, by, text, msgId).catch((error: ImError) => error.code)
          // Whoever commits first owns the id, also when the answer was lost.
          if (!owners.has(msgId)) owners.set(msgId, content)
          if (typeof outcome === 'string') {
            expect(outcome).toBe(lost ? 'UNAVAILABLE' : 'MSG_ID_CONFLICT')
            if (!lost) expect(owners.get(msgId)).not.toBe(content)
            continue
          }
          expect(owners.get(msgId)).toBe(content)
          if (answers.has(msgId)) expect(outcome.seq).toBe(answers.get(msgId))
          answers.set(msgId, outcome.seq)
        }
        const head = (await node.storage.readHeads([conversationId]))[0]
        expect(head?.headSeq).toBe(owners.size)
      }),
      { numRuns: 60 },
    )
  })
})
