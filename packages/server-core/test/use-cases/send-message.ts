import { ImError, isImError, type SentMessage } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LaneOrder } from '../../src/app/lane-order.js'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import type { Principal } from '../../src/ports/index.js'
import type { TestNode, TestNodeOptions } from '../support/test-node.js'
import { type Gate, gated } from '../support/wrapped-storage.js'
import type { OpenStage, Stage } from './stage.js'

const limits = { sendsPerSecond: 10_000, sendBurst: 10_000 }

/** Alice and Bob, and a node whose storage is behind a gate. */
async function arrange(open: OpenStage, options: TestNodeOptions = { limits }) {
  const stage = await open()
  const gate: Gate = {}
  const node = await stage.node({ storage: gated(stage.storage, gate), ...options })
  const [alice, bob] = [stage.principal('alice'), stage.principal('bob')]
  return { stage, gate, node, alice, bob, conversationId: stage.direct('alice', 'bob') }
}

const to = (toUserId: string, text: string, msgId?: string) => validate(sendRequest, { toUserId, msgId, body: { type: 'text', text } })

const sender =
  (node: TestNode, stage: Stage) =>
  (principal: Principal, text: string, msgId?: string): Promise<SentMessage> =>
    node.send.execute(principal, to(stage.user(principal.userId === stage.user('alice') ? 'bob' : 'alice'), text, msgId))

export function sendMessageCases(open: OpenStage): void {
  it('opens a direct conversation once, whoever begins and however many at a time', async () => {
    const { stage, node, alice, bob, conversationId } = await arrange(open)
    const send = sender(node, stage)
    const sent = await Promise.all(Array.from({ length: 20 }, (_, i) => send(i % 2 === 0 ? alice : bob, `${i}`)))
    expect(new Set(sent.map((one) => one.conversationId))).toEqual(new Set([conversationId]))
    expect(sent.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect((await node.storage.readHeads([conversationId]))[0]?.headSeq).toBe(20)
  })

  it('keeps one conversation dense, and each connection’s order, although three nodes send to it at once', async () => {
    const { stage, alice, bob, conversationId } = await arrange(open)
    const nodes = await Promise.all(stage.storages.map((storage) => stage.node({ storage, limits })))
    const connections = nodes.map((node, n) => ({ node, order: new LaneOrder(), from: n === 1 ? bob : alice, to: n === 1 ? alice : bob }))
    const sent = await Promise.all(
      connections.map(({ node, order, from, to: peer }) =>
        Promise.all(Array.from({ length: 10 }, (_, i) => node.send.execute(from, to(peer.userId, `${i}`), order))),
      ),
    )
    const all = sent.flat().sort((a, b) => a.seq - b.seq)
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
    for (const own of sent) expect(all.filter((one) => own.includes(one))).toEqual(own)
    const page = await nodes[0]?.read.history(bob, conversationId, {})
    expect(page?.entries.map(({ msgId }) => msgId)).toEqual(all.map(({ msgId }) => msgId))
  })

  it('asks the directory before it opens a chat with somebody, and never again', async () => {
    const asked: (readonly string[])[] = []
    const { stage, node, alice, bob } = await arrange(open, {
      limits,
      directory: {
        profiles: async (userIds) => {
          asked.push(userIds)
          return userIds
            .filter((userId) => userId.startsWith('bob'))
            .map((userId) => ({ userId, displayName: 'Bob', userType: 'user' as const }))
        },
      },
    })
    const nobody = stage.user('bbo')
    await expect(node.send.execute(alice, to(nobody, 'hi'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await node.storage.readHeads([stage.direct('alice', 'bbo')])).toEqual([])
    await sender(node, stage)(alice, '1')
    await sender(node, stage)(alice, '2')
    expect(asked).toEqual([[nobody], [bob.userId]])
  })

  it('is idempotent by msgId: at once, later, across a race, and on another node', async () => {
    const { stage, node, alice, conversationId } = await arrange(open)
    const send = sender(node, stage)
    const msgId = node.ids.uuid()
    const race = await Promise.all(Array.from({ length: 10 }, () => send(alice, 'once', msgId)))
    expect(race.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(new Set(race.map(({ seq }) => seq)).size).toBe(1)
    await node.clock.advance(60_000)
    const first = { ...race.find(({ duplicate }) => !duplicate), duplicate: true }
    expect(await send(alice, 'once', msgId)).toEqual(first)
    const other = await stage.node({ storage: stage.storages[1], limits })
    expect(await sender(other, stage)(alice, 'once', msgId)).toEqual(first)
    expect((await node.storage.readHeads([conversationId]))[0]?.headSeq).toBe(1)
  })

  it('without a msgId makes one, so that each call is a message of its own', async () => {
    const { stage, node, alice } = await arrange(open)
    const [one, two] = [await sender(node, stage)(alice, 'x'), await sender(node, stage)(alice, 'x')]
    expect(one.msgId).not.toBe(two.msgId)
    expect(two.seq).toBe(2)
  })

  it('takes the same id with anything different for a conflict', async () => {
    const { stage, node, alice, bob, conversationId } = await arrange(open)
    const msgId = node.ids.uuid()
    const first = { toUserId: bob.userId, msgId, body: { type: 'text', text: 'x' } }
    await node.send.execute(alice, validate(sendRequest, first))
    for (const other of [
      { ...first, body: { type: 'text', text: 'y' } },
      { ...first, toUserId: stage.user('carol') },
      { ...first, mentions: [bob.userId] },
      { ...first, replyTo: node.ids.uuid() },
    ]) {
      await expect(node.send.execute(alice, validate(sendRequest, other))).rejects.toMatchObject({ code: 'MSG_ID_CONFLICT' })
    }
    await expect(node.send.execute(bob, validate(sendRequest, { ...first, toUserId: alice.userId }))).rejects.toMatchObject({
      code: 'MSG_ID_CONFLICT',
    })
    // Spelled otherwise it is the same request: the target by id, keys in another order.
    const respelled = { body: { text: 'x', type: 'text' }, conversationId, msgId }
    expect(await node.send.execute(alice, validate(sendRequest, respelled))).toMatchObject({ seq: 1, duplicate: true })
  })

  it('says UNAVAILABLE when the answer of a commit was lost, and the retry finds what was committed', async () => {
    const { stage, gate, node, alice, bob } = await arrange(open)
    gate.after = (method) => {
      if (method !== 'appendMessages') return
      gate.after = undefined
      throw new ImError('UNAVAILABLE', { retryAfterMs: 1_000 })
    }
    const bobs = await node.client(bob.userId)
    const send = sender(node, stage)
    const msgId = node.ids.uuid()
    await expect(send(alice, 'x', msgId)).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'later' })
    expect(await send(alice, 'x', msgId)).toMatchObject({ seq: 1, duplicate: true })
    // Nobody published it, so it comes by the feed: late, once.
    await node.clock.advance(2_500)
    expect(bobs.bodies('/user/queue/messages')).toMatchObject([{ seq: 1, msgId }])
  })

  it('passes on what the lock found: rights that have changed between check and commit', async () => {
    const { stage, gate, node, alice, conversationId } = await arrange(open)
    await stage.open(conversationId, 'direct', ['alice', 'bob'])
    gate.before = async (method) => {
      if (method === 'appendMessages') await stage.backing.arrangeState(conversationId, 'closed')
    }
    await expect(sender(node, stage)(alice, 'x')).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    gate.before = undefined
    await stage.backing.arrangeState(conversationId, 'open')
    gate.before = async (method) => {
      if (method === 'appendMessages') await stage.arrangeMember('alice', conversationId, { leaveSeq: 0 })
    }
    await expect(sender(node, stage)(alice, 'x')).rejects.toMatchObject({ code: 'NOT_MEMBER' })
    expect((await node.storage.readHeads([conversationId]))[0]?.headSeq).toBe(0)
  })

  it('answers a retry of what is committed, although its sender may not write any more', async () => {
    const { stage, node, alice, conversationId } = await arrange(open)
    const msgId = node.ids.uuid()
    const first = await sender(node, stage)(alice, 'x', msgId)
    await stage.arrangeMember('alice', conversationId, { leaveSeq: 1 })
    expect(await sender(node, stage)(alice, 'x', msgId)).toEqual({ ...first, duplicate: true })
    await expect(sender(node, stage)(alice, 'y', msgId)).rejects.toMatchObject({ code: 'NOT_MEMBER' })
    await expect(sender(node, stage)(alice, 'x')).rejects.toMatchObject({ code: 'NOT_MEMBER' })
  })

  it('answers an outage of storage as one, without having lost its place in the order', async () => {
    const { gate, node, alice, bob } = await arrange(open)
    const socket = await node.client(alice.userId)
    gate.before = (method) => {
      if (method === 'appendMessages') throw new ImError('UNAVAILABLE', { retryAfterMs: 500 })
    }
    const say = (text: string): void =>
      socket.send(
        'SEND',
        { destination: '/app/chat.sendMessage', receipt: text },
        JSON.stringify({ toUserId: bob.userId, body: { type: 'text', text } }),
      )
    say('1')
    say('2')
    await node.clock.settle()
    expect(socket.bodies('/user/queue/errors')).toMatchObject([
      { code: 'UNAVAILABLE', retryAfterMs: 500, receipt: '1' },
      { code: 'UNAVAILABLE', retryAfterMs: 500, receipt: '2' },
    ])
    expect(socket.closed).toBeUndefined()
    gate.before = undefined
    say('3')
    await node.clock.settle()
    expect(socket.receipt('3')).toBeDefined()
  })

  it('refuses a look-up that fails rather than the message: what cannot be known is not final', async () => {
    const { stage, gate, node, alice } = await arrange(open, { limits: { sendsPerSecond: 0.001, sendBurst: 1 } })
    gate.before = (method) => {
      if (method === 'findByMsgIds') throw new ImError('UNAVAILABLE')
    }
    const send = sender(node, stage)
    await send(alice, '1')
    await expect(send(alice, '2', node.ids.uuid())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    // One without an id cannot be a retry, so there is nothing to look up.
    await expect(send(alice, '2')).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  })

  it('gives a limit’s wait that is enough, and lets the host’s own sends pass', async () => {
    const { stage, node, alice, bob } = await arrange(open, { limits: { sendsPerSecond: 2, sendBurst: 1 } })
    const send = sender(node, stage)
    await send(alice, '1')
    const refused = await send(alice, '2').catch((error: unknown) => error)
    expect(isImError(refused, 'RATE_LIMITED')).toBe(true)
    await node.clock.advance((refused as ImError).retryAfterMs ?? 0)
    expect((await send(alice, '2')).seq).toBe(2)
    const trusted = await Promise.all(
      Array.from({ length: 5 }, (_, i) => node.send.execute(alice, to(bob.userId, `${i}`), undefined, { trusted: true })),
    )
    expect(trusted.map(({ seq }) => seq).sort()).toEqual([3, 4, 5, 6, 7])
  })

  describe('whatever is retried and whatever answer is lost', () => {
    const plan = fc.array(fc.record({ id: fc.nat(5), byAlice: fc.boolean(), text: fc.constantFrom('x', 'y'), lost: fc.boolean() }), {
      minLength: 1,
      maxLength: 20,
      size: 'max',
    })
    it('commits every accepted message once, densely', async () => {
      await fc.assert(
        fc.asyncProperty(plan, async (steps) => {
          const { stage, gate, node, alice, bob, conversationId } = await arrange(open)
          const ids = Array.from({ length: 6 }, () => node.ids.uuid())
          const owners = new Map<string, string>()
          const answers = new Map<string, number>()
          for (const { id, byAlice, text, lost } of steps) {
            gate.after = (method) => {
              if (lost && method === 'appendMessages') throw new ImError('UNAVAILABLE')
            }
            const by = byAlice ? alice : bob
            const msgId = ids[id] as string
            const content = `${by.userId} ${text}`
            const outcome = await sender(node, stage)(by, text, msgId).catch((error: ImError) => error.code)
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
        { numRuns: 25 },
      )
    })
  })
}
