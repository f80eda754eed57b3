import { directConversationId } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { FeedReader } from '../invariants.js'

export function memberCases(current: Current<StorageHarness>): void {
  describe('openConversation', () => {
    it('makes the head and the members’ rows together', async () => {
      const a = new Arrange(current())
      const [ann, bob] = [a.user('ann'), a.user('bob')]
      const id = directConversationId(ann, bob)
      const head = await a.open(id, 'direct', [ann, bob])
      expect(head).toMatchObject({ conversationId: id, chatType: 'direct', headSeq: 0, headOrd: 0, lowSeq: 1, lowOrd: 0, state: 'open' })
      expect(head.memberVersion).toBeGreaterThanOrEqual(1)
      expect(await a.head(id)).toEqual(head)
      for (const userId of [ann, bob]) {
        expect(await a.member(id, userId)).toMatchObject({
          conversationId: id,
          userId,
          visibleFrom: 1,
          visibleOrd: 0,
          deliveredSeq: 0,
          readSeq: 0,
          readOrd: 0,
          sentOrd: 0,
          mentionSeq: 0,
          pinned: false,
          hidden: false,
        })
      }
    })

    it('changes nothing when it is there, and says so to nobody', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 2)
      const head = await a.head(id)
      const reader = await FeedReader.start(a.storage)
      expect(await a.open(id, 'group', ['ann', 'eve'])).toEqual(head)
      expect(await a.storage.listMemberIds(id, { limit: 10 })).toEqual(['ann'])
      await reader.drain()
      expect(reader.of(id)).toEqual([])
    })

    it('shows all racing callers one conversation, told of once', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const reader = await FeedReader.start(a.storage)
      const [ann, bob] = [a.user('ann'), a.user('bob')]
      const id = directConversationId(ann, bob)
      const heads = await Promise.all(
        Array.from({ length: 8 }, (_, i) => a.open(id, 'direct', i % 2 === 0 ? [ann, bob] : [bob, ann], i % 2 === 0 ? a.storage : other)),
      )
      for (const head of heads) expect(head).toEqual(heads[0])
      await reader.drain()
      expect(reader.of(id)).toHaveLength(1)
      const [change] = reader.of(id)
      expect(change).toMatchObject({ kind: 'members', firstSeq: 0, lastSeq: 0, memberVersion: heads[0]?.memberVersion, nodeId: a.nodeId })
      expect([...(change?.channels ?? [])].sort()).toEqual([`user:${ann}`, `user:${bob}`].sort())
      expect(await a.storage.listMemberIds(id, { limit: 10 })).toEqual([ann, bob].sort())
    })

    it('opens a conversation with oneself once', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const id = directConversationId(ann, ann)
      await a.open(id, 'direct', [ann, ann])
      expect(await a.storage.listMemberIds(id, { limit: 10 })).toEqual([ann])
      expect((await a.storage.memberships(ann)).map((m) => m.conversationId)).toEqual([id])
      await a.texts(id, ann, 1)
      expect((await a.storage.summaries(ann, { limit: 10 })).items).toHaveLength(1)
    })
  })

  describe('reading heads and members', () => {
    it('leaves out unknown heads and repeats', async () => {
      const a = new Arrange(current())
      const [left, right] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const heads = await a.storage.readHeads([left, 'g~none', right, left])
      expect(heads.map((head) => head.conversationId).sort()).toEqual([left, right].sort())
      expect(await a.storage.readHeads([])).toEqual([])
    })

    it('tells a member, a stranger and an unknown conversation apart', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      expect(await a.storage.readMember('g~none', 'ann')).toBeUndefined()
      const stranger = await a.storage.readMember(id, 'eve')
      expect(stranger?.head).toEqual(await a.head(id))
      expect(stranger?.member).toBeUndefined()
      expect((await a.storage.readMember(id, 'ann'))?.member?.userId).toBe('ann')
    })

    it('reads those who are or were members', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob', 'cid'])
      await a.texts(id, 'ann', 3)
      await current().arrangeMember(id, 'bob', { leaveSeq: 2 })
      const read = await a.storage.readMembers(id, ['bob', 'eve', 'ann', 'bob'])
      expect(read?.head).toEqual(await a.head(id))
      expect(read?.members.map((member) => member.userId).sort()).toEqual(['ann', 'bob'])
      expect(read?.members.find((member) => member.userId === 'bob')).toMatchObject({ leaveSeq: 2, leaveOrd: 2 })
      expect(await a.storage.readMembers('g~none', ['ann'])).toBeUndefined()
    })

    it('lists present members in id order, page by page', async () => {
      const a = new Arrange(current())
      // Code-unit order: digits, capitals, '_' and small letters, in this order; no collation may mix them.
      const userIds = ['10', '9', 'Bob', 'Zoe', '_x', 'amy', 'bob', 'bob2']
      const id = await a.conversation([...userIds].reverse())
      await a.texts(id, 'amy', 1)
      await current().arrangeMember(id, 'amy', { leaveSeq: 1 })
      const present = userIds.filter((userId) => userId !== 'amy')
      expect(await a.storage.listMemberIds(id, { limit: 100 })).toEqual(present)
      const paged: string[] = []
      for (let after: string | undefined; ; after = paged.at(-1)) {
        const page = await a.storage.listMemberIds(id, { after, limit: 3 })
        if (page.length === 0) break
        paged.push(...page)
      }
      expect(paged).toEqual(present)
      expect(await a.storage.listMemberIds(id, { after: 'amz', limit: 1 })).toEqual(['bob'])
      expect(await a.storage.listMemberIds('g~none', { limit: 3 })).toEqual([])
    })

    it('gives all memberships with their clamps', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const [left, right] = [await a.conversation([ann, 'bob']), await a.conversation(['bob'])]
      await a.texts(left, ann, 4)
      await a.texts(right, 'bob', 4)
      await current().arrangeMember(left, ann, { leaveSeq: 3 })
      await current().arrangeMember(right, ann, { joinSeq: 4, visibleFrom: 4 })
      const all = [...(await a.storage.memberships(ann))].sort((x, y) => x.visibleFrom - y.visibleFrom)
      expect(all).toEqual([
        { conversationId: left, visibleFrom: 1, leaveSeq: 3, memberVersion: (await a.head(left)).memberVersion },
        { conversationId: right, visibleFrom: 4, leaveSeq: undefined, memberVersion: (await a.head(right)).memberVersion },
      ])
      expect(await a.storage.memberships(a.user('nobody'))).toEqual([])
    })

    it('raises memberVersion and tells the user’s channel whenever a member moves', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const reader = await FeedReader.start(a.storage)
      const before = (await a.head(id)).memberVersion
      await current().arrangeMember(id, 'bob', { visibleFrom: 1 })
      const after = (await a.head(id)).memberVersion
      expect(after).toBeGreaterThan(before)
      await reader.drain()
      expect(reader.of(id)).toEqual([expect.objectContaining({ kind: 'members', memberVersion: after })])
      expect(reader.of(id)[0]?.channels).toContain('user:bob')
    })
  })
}
