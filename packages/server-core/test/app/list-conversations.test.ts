import { directConversationId } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { memoryControls } from '../../src/memory/controls.js'
import type { Principal } from '../../src/ports/index.js'
import { startTestNode, type TestNode } from '../support/test-node.js'

const alice: Principal = { userId: 'alice', userType: 'user' }
const bob: Principal = { userId: 'bob', userType: 'user' }
const conversationId = directConversationId('alice', 'bob')
const limits = { sendsPerSecond: 100_000, sendBurst: 100_000 }

async function say(node: TestNode, from: string, to: string, text: string): Promise<void> {
  await node.send.execute({ userId: from, userType: 'user' }, validate(sendRequest, { toUserId: to, body: { type: 'text', text } }))
  await node.clock.advance(10)
}

describe('the summary', () => {
  it('is empty for somebody nobody has written to; a conversation without entries is not listed', async () => {
    const node = await startTestNode({ limits })
    await node.storage.openConversation({ conversationId, chatType: 'direct', userIds: ['alice', 'bob'], nodeId: 'n', now: 0 })
    expect(await node.conversations.summary('bob')).toEqual({ epoch: 1, conversations: [], totalUnread: 0 })
  })

  it('says where one is, what is unread, and what was said last', async () => {
    const node = await startTestNode({
      limits,
      directory: {
        profiles: async (userIds) => userIds.map((userId) => ({ userId, displayName: `Dr. ${userId}`, userType: 'user' as const })),
      },
    })
    await say(node, 'alice', 'bob', 'first')
    await say(node, 'alice', 'bob', 'x'.repeat(500))
    await node.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: 2, readSeq: 1 }] })
    const { conversations, totalUnread } = await node.conversations.summary('bob')
    expect(totalUnread).toBe(1)
    expect(conversations).toMatchObject([
      {
        conversationId,
        chatType: 'direct',
        title: 'Dr. alice',
        peerUserId: 'alice',
        headSeq: 2,
        headOrd: 2,
        deliveredSeq: 2,
        readSeq: 1,
        floorSeq: 1,
        unread: 1,
        pinned: false,
        hidden: false,
        lastMessage: { seq: 2, fromUserId: 'alice', kind: 'message' },
      },
    ])
    expect(conversations[0]?.lastMessage?.preview.length).toBeLessThanOrEqual(100)
  })

  it('counts one’s own send as having seen what came before, without saying that it was read', async () => {
    const node = await startTestNode({ limits })
    await say(node, 'alice', 'bob', '1')
    await say(node, 'alice', 'bob', '2')
    await say(node, 'bob', 'alice', '3')
    await say(node, 'alice', 'bob', '4')
    const [own] = (await node.conversations.summary('bob')).conversations
    expect(own).toMatchObject({ unread: 1, readSeq: 0 })
  })

  it('has the newest 100; the rest comes by pages, each once, newest first', async () => {
    const node = await startTestNode({ limits })
    for (let i = 0; i < 130; i++) await say(node, `peer${i}`, 'bob', 'x')
    const summary = await node.conversations.summary('bob')
    expect(summary.conversations).toHaveLength(100)
    expect(summary.totalUnread).toBe(130)
    expect(summary.conversations[0]?.peerUserId).toBe('peer129')
    const rest = await node.conversations.page(bob, { cursor: summary.next as string, limit: 20 })
    const last = await node.conversations.page(bob, { cursor: rest.next as string, limit: 20 })
    expect([rest.items.length, last.items.length, last.next]).toEqual([20, 10, undefined])
    const peers = [...summary.conversations, ...rest.items, ...last.items].map(({ peerUserId }) => peerUserId)
    expect(peers).toEqual(Array.from({ length: 130 }, (_, i) => `peer${129 - i}`))
  })

  it('shows a member who left nothing of what came after', async () => {
    const node = await startTestNode({ limits })
    await say(node, 'alice', 'bob', 'seen')
    await memoryControls(node.storage).patchMember(conversationId, 'bob', { leaveSeq: 1 })
    await say(node, 'alice', 'bob', 'secret')
    const { conversations, totalUnread } = await node.conversations.summary('bob')
    expect(totalUnread).toBe(1)
    expect(conversations).toMatchObject([{ headSeq: 1, headOrd: 1, leaveSeq: 1, unread: 1 }])
    expect(JSON.stringify(conversations)).not.toContain('secret')
  })

  it('shows a member who came later nothing of what was before', async () => {
    const node = await startTestNode({ limits })
    await say(node, 'alice', 'bob', 'secret')
    await memoryControls(node.storage).patchMember(conversationId, 'bob', { visibleFrom: 2 })
    const { conversations, totalUnread } = await node.conversations.summary('bob')
    expect(totalUnread).toBe(0)
    expect(JSON.stringify(conversations)).not.toContain('secret')
  })

  it('filters by kind in pages, with the total over all', async () => {
    const node = await startTestNode({ limits })
    await say(node, 'alice', 'bob', 'x')
    expect((await node.conversations.page(bob, { chatType: 'group' })).items).toEqual([])
    expect((await node.conversations.page(alice, { chatType: 'direct' })).items).toHaveLength(1)
  })
})
