import { describe, expect, it } from 'vitest'
import { eventually } from './eventually.js'
import type { Current, UnreadBadgesHarness } from './harness.js'
import { sharedHarness } from './lifecycle.js'

const TTL_MS = 15_000

/** What every UnreadBadges must do. */
export function unreadBadgesContract(
  name: string,
  make: () => Promise<UnreadBadgesHarness>,
  additional?: (current: Current<UnreadBadgesHarness>) => void,
): void {
  describe(`UnreadBadges: ${name}`, () => {
    const current = sharedHarness(make)
    const user = (): string => `u|${current().ids.uuid()}`
    const counts = { total: 7, byConversation: { 'd~a.b~c@d': 3, 'g~__proto__': 4, 's~0': 0 } }

    it('gives counts back whole, or nothing', async () => {
      const { badges } = current()
      const userId = user()
      expect(await badges.get(userId)).toBeUndefined()
      await badges.put(userId, counts)
      expect(await badges.get(userId)).toEqual(counts)
      expect(await badges.get(userId.toUpperCase())).toBeUndefined()
    })

    it('replaces, so that no conversation of before is left', async () => {
      const { badges } = current()
      const userId = user()
      await badges.put(userId, counts)
      await badges.put(userId, { total: 1, byConversation: { 'g~x': 1 } })
      expect(await badges.get(userId)).toEqual({ total: 1, byConversation: { 'g~x': 1 } })
    })

    it('tells nothing unread from not known', async () => {
      const { badges } = current()
      const userId = user()
      await badges.put(userId, { total: 0, byConversation: {} })
      expect(await badges.get(userId)).toEqual({ total: 0, byConversation: {} })
    })

    it('forgets one user when told, and no other', async () => {
      const { badges } = current()
      const [ann, bob] = [user(), user()]
      await badges.put(ann, counts)
      await badges.put(bob, counts)
      await badges.invalidate(ann)
      await badges.invalidate(user())
      expect([await badges.get(ann), await badges.get(bob)]).toEqual([undefined, counts])
    })

    it('forgets by itself within 15 s, however often it is read', async () => {
      const { badges } = current()
      const userId = user()
      await badges.put(userId, counts)
      await eventually(current(), async () => expect(await badges.get(userId)).toBeUndefined(), TTL_MS + 1_000)
    }, 60_000)

    it('hands out copies', async () => {
      const { badges } = current()
      const userId = user()
      const mine = { total: 1, byConversation: { 'g~x': 1 } }
      await badges.put(userId, mine)
      mine.byConversation['g~x'] = 9
      Reflect.set((await badges.get(userId))?.byConversation ?? {}, 'g~x', 8)
      expect(await badges.get(userId)).toEqual({ total: 1, byConversation: { 'g~x': 1 } })
    })

    if (additional !== undefined) describe('additional', () => additional(current))
  })
}
