import { describe, expect, it } from 'vitest'
import { eventually } from './eventually.js'
import type { Current, PresenceHarness } from './harness.js'
import { freshHarness } from './lifecycle.js'
import type { PresentConnection } from '../ports/presence.js'

/** A killed node's users are offline within this (Presence "lease"). */
const LEASE_MS = 15_000

/** What every Presence must do, over three nodes. */
export function presenceContract(
  name: string,
  make: () => Promise<PresenceHarness>,
  additional?: (current: Current<PresenceHarness>) => void,
): void {
  describe(`Presence: ${name}`, () => {
    const current = freshHarness(make)

    const started = async (): Promise<PresenceHarness & { readonly nodeIds: readonly string[] }> => {
      const h = current()
      const nodeIds = h.nodes.map(() => h.ids.uuid())
      await Promise.all(h.nodes.map((node, i) => node.start({ nodeId: nodeIds[i] as string })))
      return Object.assign(Object.create(h) as PresenceHarness, { nodeIds })
    }
    const connection = (userId: string, fields: Partial<PresentConnection> = {}): PresentConnection => ({
      connectionId: current().ids.uuid(),
      userId,
      userType: 'user',
      connectedAt: current().clock.now(),
      ...fields,
    })
    const online = async (h: PresenceHarness, userIds: readonly string[]): Promise<boolean[]> =>
      (await h.nodes[0].online(userIds)).map((state) => state.online)

    it('shows a connection on every node, with where it is', async () => {
      const h = await started()
      const phone = connection('ann', { deviceId: 'phone', connectedAt: h.clock.now() - 5 })
      const laptop = connection('ann', { userType: 'agent' })
      await h.nodes[1].add(laptop)
      await h.nodes[0].add(phone)
      for (const node of h.nodes) {
        expect(await node.connections('ann'), 'oldest first').toEqual([
          { ...phone, nodeId: h.nodeIds[0] },
          { ...laptop, nodeId: h.nodeIds[1] },
        ])
        expect(await node.online(['bob', 'ann', 'bob'])).toMatchObject([{ online: false }, { online: true }, { online: false }])
      }
      expect(await h.nodes[2].connections('bob')).toEqual([])
      expect(await h.nodes[2].online([])).toEqual([])
    })

    it('keeps a user online until the last connection has gone, and then knows since when', async () => {
      const h = await started()
      const tabs = [connection('ann'), connection('ann')] as const
      await h.nodes[0].add(tabs[0])
      await h.nodes[2].add(tabs[1])
      await h.nodes[0].remove(tabs[0])
      expect(await online(h, ['ann'])).toEqual([true])
      const at = h.clock.now()
      await h.nodes[2].remove(tabs[1])
      const [state] = await h.nodes[1].online(['ann'])
      expect(state?.online).toBe(false)
      if (state?.lastSeen !== undefined) expect(Math.abs(state.lastSeen - at)).toBeLessThan(5_000)
      expect(await h.nodes[1].connections('ann')).toEqual([])
    })

    it('counts a repeated add once and ignores unknown removals', async () => {
      const h = await started()
      const one = connection('ann')
      await h.nodes[0].add(one)
      await h.nodes[0].add(one)
      expect(await h.nodes[1].connections('ann')).toHaveLength(1)
      await h.nodes[0].remove({ userId: 'ann', connectionId: h.ids.uuid() })
      await h.nodes[0].remove({ userId: 'bob', connectionId: one.connectionId })
      expect(await h.nodes[1].connections('ann')).toHaveLength(1)
      await h.nodes[0].remove(one)
      await h.nodes[0].remove(one)
      expect(await online(h, ['ann'])).toEqual([false])
    })

    it('tells users apart by case and by every allowed character', async () => {
      const h = await started()
      const userIds = ['Bob', 'a|b', 'a|b|c', 'a:b', 'x@y.z', '+=-_.', '__proto__', 'z'.repeat(64)]
      for (const userId of userIds) await h.nodes[0].add(connection(userId))
      expect(await online(h, userIds)).toEqual(userIds.map(() => true))
      expect(await online(h, ['bob', 'a', 'a|', 'b'])).toEqual([false, false, false, false])
      expect(await h.nodes[1].onlineUsers('user', 100)).toEqual([...userIds].sort())
    })

    it('lists who is online by type, in id order, up to the limit, each once', async () => {
      const h = await started()
      for (const [i, userId] of ['dee', 'ann', 'cid', 'bob'].entries()) {
        for (const node of [h.nodes[i % 3], h.nodes[(i + 1) % 3]]) await node?.add(connection(userId, { userType: 'agent' }))
      }
      await h.nodes[0].add(connection('eve', { userType: 'customer' }))
      for (const node of h.nodes) expect(await node.onlineUsers('agent', 10)).toEqual(['ann', 'bob', 'cid', 'dee'])
      expect(await h.nodes[1].onlineUsers('agent', 2)).toEqual(['ann', 'bob'])
      expect(await h.nodes[1].onlineUsers('customer', 2)).toEqual(['eve'])
      expect(await h.nodes[1].onlineUsers('user', 2)).toEqual([])
      const leaves = connection('fay', { userType: 'customer' })
      await h.nodes[2].add(leaves)
      await h.nodes[2].remove(leaves)
      expect(await h.nodes[1].onlineUsers('customer', 9)).toEqual(['eve'])
    })

    it('forgets a killed node’s users within the lease, and nobody else’s', async () => {
      const h = await started()
      await h.nodes[1].add(connection('ann'))
      await h.nodes[1].add(connection('both', { userType: 'agent' }))
      await h.nodes[2].add(connection('both', { userType: 'agent' }))
      await h.nodes[2].add(connection('bob'))
      await h.kill(1)
      await eventually(h, async () => expect(await online(h, ['ann', 'both', 'bob'])).toEqual([false, true, true]), LEASE_MS + 2_000)
      expect(await h.nodes[0].connections('ann')).toEqual([])
      expect((await h.nodes[0].connections('both')).map((one) => one.nodeId)).toEqual([h.nodeIds[2]])
      expect(await h.nodes[0].onlineUsers('user', 9)).toEqual(['bob'])
      expect(await h.nodes[0].onlineUsers('agent', 9)).toEqual(['both'])
    }, 60_000)

    it('keeps a living node’s users for as long as it lives', async () => {
      const h = await started()
      await h.nodes[1].add(connection('ann'))
      for (let passed = 0; passed < LEASE_MS * 2; passed += 1_000) {
        await h.advance(1_000)
        expect(await online(h, ['ann'])).toEqual([true])
      }
    }, 60_000)

    it('gives up all of a node at once when it closes', async () => {
      const h = await started()
      await h.nodes[1].add(connection('ann'))
      await h.nodes[2].add(connection('bob'))
      await h.nodes[1].close()
      await h.nodes[1].close()
      expect(await online(h, ['ann', 'bob'])).toEqual([false, true])
      expect(await h.nodes[0].onlineUsers('user', 9)).toEqual(['bob'])
    })

    if (additional !== undefined) describe('additional', () => additional(current))
  })
}
