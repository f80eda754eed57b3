import { directConversationId } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { exploreOrders, type Schedule } from './explore.js'
import { MemoryFleet } from './memory-fleet.js'

const STEPS = new Set(['memberships', 'readHeads', 'summaries'])

/** Lets the schedule decide when each read of an attach looks, and when its answer arrives. */
function scheduleAttach(fleet: MemoryFleet, node: number, schedule: Schedule, only: ReadonlySet<string> = STEPS): void {
  const { gate } = fleet.node(node)
  gate.before = (method) => (only.has(method) ? schedule.step(`${method} looks`) : undefined)
  gate.after = (method) => (only.has(method) ? schedule.step(`${method} answers`) : undefined)
}

/** Ends a scenario: nothing is held any more, the feed is read, and nobody may have been wronged. */
async function end(fleet: MemoryFleet): Promise<void> {
  for (const node of fleet.nodes) {
    node.gate.before = undefined
    node.gate.after = undefined
  }
  fleet.wire.mode = 'flow'
  fleet.wire.release()
  await fleet.quiet()
  const faults = await fleet.faults()
  await fleet.stop()
  expect(faults).toEqual([])
}

async function fleetOf(nodes: number): Promise<MemoryFleet> {
  return MemoryFleet.start(nodes, { stopWithTest: false })
}

describe('attach, in every order with what happens meanwhile', { timeout: 60_000 }, () => {
  it('loses and repeats nothing of two messages that are committed and published while a member attaches', async () => {
    const orders = await exploreOrders(async (schedule) => {
      const fleet = await fleetOf(1)
      const group = await fleet.group('g', ['ann', 'bob'])
      await fleet.append(0, group)
      scheduleAttach(fleet, 0, schedule)
      fleet.recorder(0, 'ann').reattach()
      const { publisher, nodeId } = fleet.node(0)
      void (async () => {
        for (let i = 0; i < 2; i++) {
          await schedule.step(`commit ${i}`)
          const items = [fleet.item(group)]
          const results = await fleet.storage.appendMessages({ nodeId, now: 1, items })
          void schedule.step(`publish ${i}`).then(() => publisher.publish(items, results, 1))
        }
      })()
      return () => end(fleet)
    })
    expect(orders).toBeGreaterThan(100)
  })

  it('gives two members who attach at once what is committed meanwhile, whoever comes first', async () => {
    const orders = await exploreOrders(async (schedule) => {
      const fleet = await fleetOf(1)
      const group = await fleet.group('g', ['ann', 'bob'])
      scheduleAttach(fleet, 0, schedule, new Set(['readHeads', 'summaries']))
      fleet.recorder(0, 'ann').reattach()
      fleet.recorder(0, 'bob').reattach()
      void schedule.step('send').then(() => fleet.append(0, group))
      return () => end(fleet)
    })
    expect(orders).toBeGreaterThan(100)
  })

  it('brings a first direct message to a receiver who is attached or attaching, on either node', async () => {
    const orders = await exploreOrders(async (schedule) => {
      const fleet = await fleetOf(2)
      const bob = directConversationId('ann', 'bob')
      await fleet.attached(0, 'bob')
      const open = { conversationId: bob, chatType: 'direct' as const, userIds: ['ann', 'bob'], nodeId: 'test', now: 1 }
      scheduleAttach(fleet, 0, schedule, new Set(['memberships', 'readMembers']))
      fleet.recorder(0, 'ann').reattach()
      void (async () => {
        await schedule.step('open')
        await fleet.storage.openConversation(open)
        void schedule.step('feed').then(() => fleet.node(0).feedReader.readNow())
        await schedule.step('commit')
        fleet.wire.mode = 'hold'
        await fleet.append(1, bob)
        fleet.wire.held.splice(1)
        void schedule.step('frame').then(() => fleet.wire.release())
      })()
      return () => end(fleet)
    })
    expect(orders).toBeGreaterThan(100)
  })

  it('lets a member in while one of their connections is attached and another attaches', async () => {
    const orders = await exploreOrders(async (schedule) => {
      const fleet = await fleetOf(2)
      const group = await fleet.group('g', ['ann'])
      await fleet.append(1, group)
      await fleet.attached(0, 'bob')
      scheduleAttach(fleet, 0, schedule, new Set(['memberships', 'readMembers']))
      fleet.recorder(0, 'bob').reattach()
      void (async () => {
        fleet.wire.mode = 'hold'
        await schedule.step('join')
        await fleet.join(1, group, 'bob')
        void schedule.step('feed').then(() => fleet.node(0).feedReader.readNow())
        await schedule.step('send')
        await fleet.append(1, group)
        void schedule.step('frames').then(() => fleet.wire.release())
      })()
      return () => end(fleet)
    })
    expect(orders).toBeGreaterThan(100)
  })

  it('takes a newcomer in whatever comes first: the load for another change, frames, the feed', async () => {
    const orders = await exploreOrders(async (schedule) => {
      const fleet = await fleetOf(2)
      const group = await fleet.group('g', ['ann'])
      await fleet.attached(0, 'ann')
      await fleet.attached(0, 'bob')
      await fleet.attached(0, 'cid')
      scheduleAttach(fleet, 0, schedule, new Set(['readMembers']))
      fleet.wire.mode = 'hold'
      void (async () => {
        await schedule.step('join bob')
        await fleet.join(1, group, 'bob')
        void schedule.step('feed').then(() => fleet.node(0).feedReader.readNow())
        await schedule.step('join cid')
        await fleet.join(1, group, 'cid')
        await schedule.step('send')
        await fleet.append(1, group)
      })()
      void schedule.step('frame').then(() => fleet.wire.held.pop()?.arrive())
      return () => end(fleet)
    })
    expect(orders).toBeGreaterThan(50)
  })

  it('gives a leaver the leaving entry once and nothing after it', async () => {
    const orders = await exploreOrders(async (schedule) => {
      const fleet = await fleetOf(2)
      const group = await fleet.group('g', ['ann', 'bob'])
      await fleet.attached(0, 'bob')
      scheduleAttach(fleet, 0, schedule, new Set(['readMembers']))
      fleet.recorder(0, 'ann').reattach()
      fleet.wire.mode = 'hold'
      void (async () => {
        await schedule.step('leave')
        await fleet.leave(1, group, 'bob')
        void schedule.step('frames').then(() => fleet.wire.release())
        void schedule.step('feed').then(() => fleet.node(0).feedReader.readNow())
        await schedule.step('send')
        await fleet.append(1, group)
      })()
      return () => end(fleet)
    })
    expect(orders).toBeGreaterThan(50)
  })
})
