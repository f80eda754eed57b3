import { describe, expect, it } from 'vitest'
import type { Storage } from '../../src/ports/index.js'
import { TestClock } from './test-clock.js'
import { TestIds } from './test-ids.js'
import { CallsInFlight } from './wrapped-storage.js'

describe('TestClock', () => {
  it('fires by due time, then by creation, with what a timer starts settled before the next', async () => {
    const clock = new TestClock()
    const order: string[] = []
    const note = (name: string) => () => {
      order.push(`${name}@${clock.monotonic()}`)
      void Promise.resolve().then(() => order.push(`${name} settled`))
    }
    clock.after(20, note('late'))
    clock.after(10, note('first'))
    clock.after(10, note('second'))
    clock.after(10, note('never'))()
    clock.after(5, () => clock.after(1, note('nested')))
    await clock.advance(15)
    expect(order).toEqual(['nested@6', 'nested settled', 'first@10', 'first settled', 'second@10', 'second settled'])
    expect([clock.monotonic(), clock.pending]).toEqual([15, 1])
  })

  it('fires nothing before what it waits for outside has ended, with all that follows from it', async () => {
    const calls = new CallsInFlight()
    const clock = new TestClock(0, () => calls.next)
    const order: string[] = []
    const real = { epoch: () => new Promise<number>((resolve) => setTimeout(() => resolve(7), 5)) } as unknown as Storage
    const storage = calls.watch(real)
    clock.after(1, () => {
      order.push('asked')
      void storage
        .epoch()
        .then(() => storage.epoch())
        .then((epoch) => clock.soon(() => order.push(`told ${epoch}`)))
    })
    clock.after(1, () => order.push('next'))
    await clock.advance(1)
    expect(order).toEqual(['asked', 'told 7', 'next'])
  })

  it('tells whole milliseconds, as a wall clock does, after a wait of part of one', async () => {
    const clock = new TestClock(1_000)
    await clock.advance(0.6)
    await clock.advance(0.6)
    expect([clock.now(), clock.monotonic()]).toEqual([1_001, 1.2])
  })

  it('steps the wall clock alone', async () => {
    const clock = new TestClock(1_000)
    await clock.advance(10)
    clock.step(-500)
    expect([clock.now(), clock.monotonic()]).toEqual([510, 10])
  })
})

it('TestIds repeats itself for the same seed alone', () => {
  const three = (seed: number): string[] => {
    const ids = new TestIds(seed)
    return [ids.uuid(), ids.uuid(), ids.uuid()]
  }
  expect(three(7)).toEqual(three(7))
  expect(new Set([...three(7), ...three(8)]).size).toBe(6)
})
