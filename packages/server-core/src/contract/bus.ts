import { describe, expect, it } from 'vitest'
import { eventually, Received } from './eventually.js'
import type { BusHarness, Current } from './harness.js'
import { freshHarness } from './lifecycle.js'
import type { Bus } from '../ports/bus.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** What one node got, as `channel text`. */
function receiver(harness: BusHarness, bus: Bus): Received<string> {
  const received = new Received<string>(harness)
  bus.onMessage((channel, bytes) => received.push(`${channel} ${new TextDecoder().decode(bytes)}`))
  return received
}

async function started(harness: BusHarness): Promise<[Received<string>, Received<string>, Received<string>]> {
  const [a, b, c] = harness.buses
  const received: [Received<string>, Received<string>, Received<string>] = [
    receiver(harness, a),
    receiver(harness, b),
    receiver(harness, c),
  ]
  await Promise.all(harness.buses.map((bus) => bus.start()))
  await eventually(harness, () => expect(harness.buses.map((bus) => bus.healthy)).toEqual([true, true, true]), 30_000)
  return received
}

/** What every Bus must do, over three nodes. */
export function busContract(name: string, make: () => Promise<BusHarness>, additional?: (current: Current<BusHarness>) => void): void {
  describe(`Bus: ${name}`, () => {
    const current = freshHarness(make)

    it('carries a frame once to every other node that has joined, never to its own', async () => {
      const h = current()
      const [a, b, c] = h.buses
      const [atA, atB, atC] = await started(h)
      await Promise.all(h.buses.map((bus) => bus.join('user:ann')))
      a.publish('user:ann', text('hello'))
      expect(await atB.times(1)).toEqual(['user:ann hello'])
      expect(await atC.times(1)).toEqual(['user:ann hello'])
      await atA.times(0)
      b.publish('user:ann', text('from b'))
      c.publish('user:ann', text('from c'))
      expect([...(await atA.times(2))].sort()).toEqual(['user:ann from b', 'user:ann from c'])
      await atB.times(2)
      await atC.times(2)
    })

    it('carries nothing of channels that were not joined, however alike', async () => {
      const h = current()
      const [a, b, c] = h.buses
      const [, atB, atC] = await started(h)
      await b.join('user:bob')
      await c.join('group:bob')
      for (const channel of ['user:Bob', 'user:bo', 'user:bobb', 'user:*', 'user:bob ', 'group:bob2', '']) a.publish(channel, text('no'))
      a.publish('user:bob', text('yes'))
      a.publish('group:bob', text('yes'))
      expect(await atB.times(1)).toEqual(['user:bob yes'])
      expect(await atC.times(1)).toEqual(['group:bob yes'])
    })

    it('carries frames of a node that has joined nothing', async () => {
      const h = current()
      const [, atB] = await started(h)
      await h.buses[1].join('group:x')
      h.buses[0].publish('group:x', text('1'))
      await atB.times(1)
    })

    it('joins once however often it is asked, and leaves at once', async () => {
      const h = current()
      const [a, b] = h.buses
      const [, atB] = await started(h)
      await Promise.all([b.join('user:x'), b.join('user:x'), b.join('user:x')])
      a.publish('user:x', text('1'))
      await atB.times(1)
      await b.leave('user:x')
      a.publish('user:x', text('2'))
      await atB.times(1)
      await b.leave('user:x')
      await b.leave('user:never-joined')
      await b.join('user:x')
      a.publish('user:x', text('3'))
      expect(await atB.times(2)).toEqual(['user:x 1', 'user:x 3'])
    })

    it('carries bytes as they are', async () => {
      const h = current()
      const [a, b] = h.buses
      await started(h)
      const received = new Received<number[]>(h)
      b.onMessage((_, bytes) => received.push([...bytes]))
      await b.join('user:bytes')
      const frames = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(100_000).fill(0xff)]
      for (const frame of frames) a.publish('user:bytes', frame)
      const got = await received.times(3)
      expect([...got].map((bytes) => bytes.length).sort((x, y) => x - y)).toEqual([0, 256, 100_000])
      expect(got.find((bytes) => bytes.length === 256)).toEqual(Array.from({ length: 256 }, (_, i) => i))
    })

    it('carries many frames on many channels', async () => {
      const h = current()
      const [, atB, atC] = await started(h)
      const channels = Array.from({ length: 40 }, (_, i) => `user:u${i}|@._+=-`)
      await Promise.all(channels.map((channel) => h.buses[1].join(channel)))
      await Promise.all(channels.slice(20).map((channel) => h.buses[2].join(channel)))
      for (let n = 0; n < 5; n++) for (const channel of channels) h.buses[0].publish(channel, text(String(n)))
      expect(new Set(await atB.times(200)).size).toBe(200)
      expect(new Set(await atC.times(100)).size).toBe(100)
    })

    it('lives on when its receiver throws', async () => {
      const h = current()
      const [a, b] = h.buses
      await started(h)
      const received = new Received<string>(h)
      b.onMessage((channel) => {
        received.push(channel)
        throw new Error('a receiver of the test throws')
      })
      await b.join('user:x')
      a.publish('user:x', text('1'))
      await received.times(1)
      a.publish('user:x', text('2'))
      await received.times(2)
    })

    it('is silent once closed, and the others go on', async () => {
      const h = current()
      const [a, b, c] = h.buses
      const [atA, atB, atC] = await started(h)
      await Promise.all(h.buses.map((bus) => bus.join('user:x')))
      await b.close()
      await b.close()
      expect(b.healthy).toBe(false)
      b.publish('user:x', text('from the grave'))
      a.publish('user:x', text('1'))
      expect(await atC.times(1)).toEqual(['user:x 1'])
      await atA.times(0)
      await atB.times(0)
      await c.start()
      expect(c.healthy, 'starting twice is starting once').toBe(true)
    })

    it('does not mind a node that was killed', async () => {
      const h = current()
      const [, atB, atC] = await started(h)
      await Promise.all(h.buses.map((bus) => bus.join('group:x')))
      await h.kill(2)
      for (let i = 0; i < 3; i++) h.buses[0].publish('group:x', text(String(i)))
      await atB.times(3)
      await atC.times(0)
    })

    it('tells of a break and of its end, and carries frames again afterwards', async ({ skip }) => {
      const h = current()
      if (h.interrupt === undefined) return skip('this harness cannot break what is between its nodes')
      const [a, b] = h.buses
      const [, atB] = await started(h)
      await Promise.all(h.buses.map((bus) => bus.join('user:x')))
      const told = h.buses.map((bus) => {
        const received = new Received<true>(h)
        bus.onInterrupted(() => received.push(true))
        return received
      })
      const mend = await h.interrupt()
      await eventually(h, () => expect(h.buses.map((bus) => bus.healthy)).toEqual([false, false, false]), 30_000)
      for (const received of told) expect(received.all.length).toBeGreaterThanOrEqual(1)
      a.publish('user:x', text('may be lost'))
      const before = told.map((received) => received.all.length)
      await mend()
      await eventually(h, () => expect(h.buses.map((bus) => bus.healthy)).toEqual([true, true, true]), 30_000)
      told.forEach((received, i) => {
        expect(received.all.length, 'told again when it is mended').toBeGreaterThan(before[i] as number)
      })
      await eventually(h, () => {
        a.publish('user:x', text('again'))
        expect(atB.all).toContain('user:x again')
      })
      expect(b.healthy).toBe(true)
    })

    if (additional !== undefined) describe('additional', () => additional(current))
  })
}
