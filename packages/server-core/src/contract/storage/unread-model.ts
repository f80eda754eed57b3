import { describe, expect, it } from 'vitest'
import { unreadOf, visibleRange } from '../../domain/member.js'
import { Arrange } from '../arrange.js'
import { seeded } from '../eventually.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'
import type { Entry, Member } from '../types.js'

const users = ['ann', 'bob', 'cid', 'dee'] as const
type User = (typeof users)[number]

/** What a member has done, in seqs alone: the count by hand knows no ords. */
interface Place {
  visibleFrom: number
  leaveSeq: number | undefined
  readSeq: number
  deliveredSeq: number
}

export function unreadModelCases(current: Current<StorageHarness>): void {
  describe('unread', () => {
    it.each([11, 12, 13, 14, 15, 16])('equals a count by hand after a random history (seed %i)', async (seed) => {
      const a = new Arrange(current())
      const chance = seeded(seed)
      const id = await a.conversation(users)
      const log: Pick<Entry, 'seq' | 'fromUserId' | 'kind'>[] = []
      const places = new Map<User, Place>(users.map((user) => [user, { visibleFrom: 1, leaveSeq: undefined, readSeq: 0, deliveredSeq: 0 }]))
      const place = (user: User): Place => places.get(user) as Place

      const steps: Record<string, (user: User) => Promise<void>> = {
        async send(user) {
          const count = 1 + chance.below(4)
          const items = Array.from({ length: count }, () => {
            const countable = chance.below(4) > 0
            return countable ? a.text(id, user, 'x', { checkedAt: 0 }) : a.system(id)
          })
          const results = await a.append(items)
          results.forEach((result, i) => {
            const item = items[i] as (typeof items)[number]
            expect(result.ok, 'members may send, others may not').toBe(item.kind === 'system' || place(user).leaveSeq === undefined)
            if (result.ok) log.push({ seq: result.seq, fromUserId: item.fromUserId, kind: item.kind })
          })
        },
        async read(user) {
          const at = place(user)
          const readSeq = chance.below(log.length + 3)
          const to = Math.min(log.length, at.leaveSeq ?? log.length)
          at.readSeq = Math.max(at.readSeq, Math.min(readSeq, to))
          at.deliveredSeq = Math.max(at.deliveredSeq, at.readSeq)
          const [state] = await a.storage.advanceCursors([{ conversationId: id, userId: user, readSeq }])
          const headOrd = log.filter(({ seq, kind }) => kind === 'message' && seq <= (at.leaveSeq ?? seq)).length
          expect(state).toMatchObject({ readSeq: at.readSeq, deliveredSeq: at.deliveredSeq, unread: countByHand(log, user, at), headOrd })
        },
        async leave(user) {
          if (place(user).leaveSeq !== undefined) return
          place(user).leaveSeq = log.length
          await current().arrangeMember(id, user, { leaveSeq: log.length })
        },
        async comeBack(user) {
          if (place(user).leaveSeq === undefined) return
          Object.assign(place(user), { leaveSeq: undefined, visibleFrom: log.length + 1 })
          await current().arrangeMember(id, user, { leaveSeq: null, joinSeq: log.length + 1, visibleFrom: log.length + 1 })
        },
      }

      for (let step = 0; step < 60; step++) {
        const name = chance.pick(['send', 'send', 'send', 'read', 'read', 'leave', 'comeBack', 'comeBack'])
        await steps[name]?.(chance.pick(users))
      }
      expect(await readLog(a.storage, id)).toHaveLength(log.length)
      const head = await a.head(id)
      for (const user of users) {
        const member: Member = await a.member(id, user)
        expect(unreadOf(head, member), `${user} after ${log.length} entries`).toBe(countByHand(log, user, place(user)))
        expect(member).toMatchObject({ readSeq: place(user).readSeq, deliveredSeq: place(user).deliveredSeq })
        const { from, to } = visibleRange(head, member)
        expect([from, to]).toEqual([place(user).visibleFrom, Math.min(log.length, place(user).leaveSeq ?? log.length)])
      }
    })
  })
}

function countByHand(log: readonly Pick<Entry, 'seq' | 'fromUserId' | 'kind'>[], user: string, place: Place): number {
  const ownNewest = log.filter((entry) => entry.kind === 'message' && entry.fromUserId === user).at(-1)?.seq ?? 0
  return log.filter(
    ({ seq, kind }) =>
      kind === 'message' &&
      seq >= place.visibleFrom &&
      seq <= (place.leaveSeq ?? Number.MAX_SAFE_INTEGER) &&
      seq > place.readSeq &&
      seq > ownNewest,
  ).length
}
