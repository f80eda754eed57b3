import { groupConversationId, serviceConversationId } from '@innerline/protocol'
import { expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import type { TestNode, TestNodeOptions } from '../support/test-node.js'
import type { OpenStage, Stage } from './stage.js'

const limits = { sendsPerSecond: 100_000, sendBurst: 100_000 }

async function arrange(open: OpenStage, options: TestNodeOptions = {}) {
  const stage = await open()
  const node = await stage.node({ limits, ...options })
  return { stage, node, bob: stage.principal('bob'), conversationId: stage.direct('alice', 'bob') }
}

async function say(stage: Stage, node: TestNode, from: string, to: string, text: string): Promise<void> {
  const request = validate(sendRequest, { toUserId: stage.user(to), body: { type: 'text', text } })
  await node.send.execute(stage.principal(from), request)
  await stage.clock.advance(10)
}

export function listConversationsCases(open: OpenStage): void {
  it('is empty for somebody nobody has written to; a conversation without entries is not listed', async () => {
    const { stage, node, bob, conversationId } = await arrange(open)
    await stage.open(conversationId, 'direct', ['alice', 'bob'])
    expect(await node.conversations.summary(bob.userId)).toEqual({ epoch: node.epoch.current, conversations: [], totalUnread: 0 })
    expect(await node.conversations.page(bob, {})).toEqual({ items: [] })
  })

  it('says where one is, what is unread, and what was said last', async () => {
    const { stage, node, bob, conversationId } = await arrange(open, {
      directory: {
        profiles: async (userIds) => userIds.map((userId) => ({ userId, displayName: `Dr. ${userId}`, userType: 'user' as const })),
      },
    })
    const alice = stage.user('alice')
    await say(stage, node, 'alice', 'bob', 'first')
    const at = stage.clock.now()
    await say(stage, node, 'alice', 'bob', `second\n ${'😀'.repeat(200)}`)
    await node.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: 2, readSeq: 1 }] })
    const { conversations, totalUnread } = await node.conversations.summary(bob.userId)
    expect(totalUnread).toBe(1)
    const preview = `second ${'😀'.repeat(92)}…`
    expect(conversations).toEqual([
      {
        ...{ conversationId, chatType: 'direct', title: `Dr. ${alice}`, peerUserId: alice, headSeq: 2, headOrd: 2 },
        ...{ deliveredSeq: 2, readSeq: 1, joinSeq: 0, floorSeq: 1, unread: 1, mentionSeq: 0, pinned: false, hidden: false },
        lastMessage: { seq: 2, msgId: expect.any(String) as string, fromUserId: alice, kind: 'message', preview, timestamp: at },
        updatedAt: at,
      },
    ])
  })

  it('counts one’s own send as having seen what came before, without saying that it was read', async () => {
    const { stage, node, bob } = await arrange(open)
    await say(stage, node, 'alice', 'bob', '1')
    await say(stage, node, 'alice', 'bob', '2')
    await say(stage, node, 'bob', 'alice', '3')
    await say(stage, node, 'alice', 'bob', '4')
    const [own] = (await node.conversations.summary(bob.userId)).conversations
    expect(own).toMatchObject({ unread: 1, readSeq: 0 })
  })

  it('has the newest 100; the rest comes by pages, each once, newest first', async () => {
    const { stage, node, bob } = await arrange(open)
    const names = Array.from({ length: 130 }, (_, i) => `peer${String(i).padStart(3, '0')}`)
    // Some of one millisecond, which ids put in order.
    for (let i = 0; i < names.length; i += 10) {
      const peers = names.slice(i, i + 10)
      await Promise.all(
        peers.map((peer) =>
          node.send.execute(stage.principal(peer), validate(sendRequest, { toUserId: bob.userId, body: { type: 'text', text: 'x' } })),
        ),
      )
      await stage.clock.advance(10)
    }
    const summary = await node.conversations.summary(bob.userId)
    expect(summary.conversations).toHaveLength(100)
    expect(summary.totalUnread).toBe(130)
    const rest = await node.conversations.page(bob, { cursor: summary.next as string, limit: 20 })
    const last = await node.conversations.page(bob, { cursor: rest.next as string, limit: 20 })
    expect([rest.items.length, last.items.length, last.next]).toEqual([20, 10, undefined])
    const peers = [...summary.conversations, ...rest.items, ...last.items].map(({ peerUserId }) => peerUserId)
    const tens = Array.from({ length: 13 }, (_, i) => names.slice((12 - i) * 10, (13 - i) * 10))
    expect(peers).toEqual(tens.flat().map((name) => stage.user(name)))
  })

  it('shows a member who left nothing of what came after', async () => {
    const { stage, node, bob, conversationId } = await arrange(open)
    await say(stage, node, 'alice', 'bob', 'seen')
    await stage.arrangeMember('bob', conversationId, { leaveSeq: 1 })
    const at = stage.clock.now()
    await say(stage, node, 'alice', 'bob', 'secret')
    const { conversations, totalUnread } = await node.conversations.summary(bob.userId)
    expect(totalUnread).toBe(1)
    expect(conversations).toMatchObject([{ headSeq: 1, headOrd: 1, leaveSeq: 1, unread: 1, lastMessage: { seq: 1, preview: 'seen' } }])
    expect(conversations[0]?.updatedAt).toBeLessThan(at)
    expect(JSON.stringify(conversations)).not.toContain('secret')
  })

  it('shows a member who came later nothing of what was before', async () => {
    const { stage, node, bob, conversationId } = await arrange(open)
    await say(stage, node, 'alice', 'bob', 'secret')
    await stage.arrangeMember('bob', conversationId, { visibleFrom: 2 })
    const { conversations, totalUnread } = await node.conversations.summary(bob.userId)
    expect([conversations, totalUnread]).toEqual([[], 0])
    await say(stage, node, 'alice', 'bob', 'news')
    expect((await node.conversations.summary(bob.userId)).conversations).toMatchObject([{ floorSeq: 2, headSeq: 2, unread: 1 }])
  })

  it('filters by kind in pages, with the total over all', async () => {
    const { stage, node, bob } = await arrange(open)
    const alice = stage.principal('alice')
    const group = await stage.open(groupConversationId(stage.ids.uuid()), 'group', ['alice', 'bob'])
    const service = await stage.open(serviceConversationId(stage.ids.uuid()), 'service', ['alice', 'bob'])
    for (const conversationId of [group, service]) {
      await node.send.execute(alice, validate(sendRequest, { conversationId, body: { type: 'text', text: 'x' } }))
    }
    await say(stage, node, 'alice', 'bob', 'x')
    const kinds = async (chatType: 'direct' | 'group' | 'service') =>
      (await node.conversations.page(bob, { chatType })).items.map((item) => [item.chatType, item.peerUserId, item.groupId, item.sessionId])
    expect(await kinds('group')).toEqual([['group', undefined, group.slice(2), undefined]])
    expect(await kinds('service')).toEqual([['service', undefined, undefined, service.slice(2)]])
    expect(await kinds('direct')).toEqual([['direct', alice.userId, undefined, undefined]])
    expect((await node.storage.summaries(bob.userId, { limit: 1, chatType: 'group' })).totalUnread).toBe(3)
  })

  it('tells who is mentioned, by name or with all, and not of one’s own', async () => {
    const { stage, node, bob } = await arrange(open)
    const [alice, carol] = [stage.principal('alice'), stage.principal('carol')]
    const conversationId = await stage.open(groupConversationId(stage.ids.uuid()), 'group', ['alice', 'bob', 'carol'])
    const mention = (from: typeof bob, mentions: string[]) =>
      node.send.execute(from, validate(sendRequest, { conversationId, body: { type: 'text', text: 'x' }, mentions }))
    const seen = async () => {
      const rows = await Promise.all([alice, bob, carol].map(({ userId }) => node.conversations.summary(userId)))
      return rows.map(({ conversations }) => conversations[0]?.mentionSeq)
    }
    await mention(alice, [bob.userId, stage.user('nobody')])
    expect(await seen()).toEqual([0, 1, 0])
    await mention(bob, ['*'])
    expect(await seen()).toEqual([2, 1, 2])
    await mention(alice, ['*', bob.userId])
    expect(await seen()).toEqual([2, 3, 3])
    await mention(alice, [alice.userId])
    expect(await seen()).toEqual([2, 3, 3])
  })

  it.each(['', 'nonsense', Buffer.from('12').toString('base64url'), Buffer.from('9999999999999999 d~a~b').toString('base64url')])(
    'refuses the cursor %j, which is none of its own',
    async (cursor) => {
      const { stage, node, bob } = await arrange(open)
      await say(stage, node, 'alice', 'bob', 'x')
      await expect(node.conversations.page(bob, { cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    },
  )
}
