import { describe, expect, it } from 'vitest'
import { memoryBus } from '../../src/memory/bus.js'
import { createMemoryHub } from '../../src/memory/index.js'
import { memoryPresence, PresenceTable } from '../../src/memory/presence.js'
import { memoryRateLimiter } from '../../src/memory/rate-limiter.js'
import { memoryUnreadBadges } from '../../src/memory/unread-badges.js'
import { silentLogger } from '../../src/ports/logger.js'
import { TestClock } from '../support/test-clock.js'

describe('memoryRateLimiter', () => {
  it('forgets the longest known bucket beyond its cap, and no other', () => {
    const limiter = memoryRateLimiter({ clock: new TestClock(), maxBuckets: 3 })
    const take = (key: string): boolean => (limiter.take(key, { perSecond: 0.001, burst: 1 }) as { ok: boolean }).ok
    expect(['a', 'b', 'c', 'd'].map(take)).toEqual([true, true, true, true])
    expect(['b', 'c', 'd'].map(take)).toEqual([false, false, false])
    expect(take('a'), 'forgotten').toBe(true)
  })

  it('drops buckets that are full again, and keeps those that are not', async () => {
    const clock = new TestClock()
    const limiter = memoryRateLimiter({ clock, maxBuckets: 4 })
    const take = (key: string, perSecond: number): boolean => (limiter.take(key, { perSecond, burst: 1 }) as { ok: boolean }).ok
    take('slow', 0.001)
    for (const key of ['x', 'y', 'z']) take(key, 10)
    await clock.advance(11_000)
    // The sweep made room: 'slow', the longest known, is not pushed out by three new ones.
    for (const key of ['p', 'q', 'r']) take(key, 10)
    expect(take('slow', 0.001)).toBe(false)
  })
})

describe('memoryUnreadBadges', () => {
  it('forgets the oldest counts beyond its cap', async () => {
    const badges = memoryUnreadBadges({ clock: new TestClock(), maxUsers: 2 })
    for (const userId of ['a', 'b', 'a', 'c']) await badges.put(userId, { total: 1, byConversation: {} })
    expect(await Promise.all(['a', 'b', 'c'].map(async (userId) => (await badges.get(userId))?.total))).toEqual([1, undefined, 1])
  })
})

describe('memoryPresence', () => {
  it('brings its users back after having slept past its lease', async () => {
    const table = new PresenceTable(new TestClock())
    const [own, others] = [new TestClock(), new TestClock()]
    const [sleeper, witness] = [memoryPresence({ clock: own, table }), memoryPresence({ clock: others, table })]
    await sleeper.start({ nodeId: 'sleeper' })
    await witness.start({ nodeId: 'witness' })
    await sleeper.add({ connectionId: '1', userId: 'ann', userType: 'user', connectedAt: 1 })
    const online = async (): Promise<boolean | undefined> => (await witness.online(['ann']))[0]?.online
    for (let passed = 0; passed < 20; passed++) {
      await (table.clock as TestClock).advance(1_000)
      await others.advance(1_000)
    }
    expect(await online()).toBe(false)
    expect(table.byUser.size, 'swept by the living').toBe(0)
    await own.advance(20_000)
    expect(await online()).toBe(true)
    await sleeper.close()
    await witness.close()
    expect([own.pending, others.pending]).toEqual([0, 0])
  })
})

describe('memoryBus', () => {
  it('reports a receiver that throws', async () => {
    const hub = createMemoryHub()
    const errors: string[] = []
    const [a, b] = [memoryBus({ hub }), memoryBus({ hub, logger: { ...silentLogger, error: (_, text) => errors.push(text ?? '') } })]
    await a.start()
    await b.start()
    b.onMessage(() => {
      throw new Error('a receiver of the test throws')
    })
    await b.join('user:x')
    a.publish('user:x', new Uint8Array(1))
    await Promise.resolve()
    expect(errors).toHaveLength(1)
  })

  it('leaves nothing in the hub when it closes', async () => {
    const hub = createMemoryHub() as ReturnType<typeof createMemoryHub> & { nodes: Set<unknown>; channels: Map<string, unknown> }
    const bus = memoryBus({ hub })
    await bus.start()
    await bus.join('user:x')
    await bus.close()
    await bus.join('user:x')
    expect([hub.nodes.size, hub.channels.size]).toEqual([0, 0])
  })
})
