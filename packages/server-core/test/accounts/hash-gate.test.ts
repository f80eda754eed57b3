import { isImError } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HashGate } from '../../src/accounts/hash-gate.js'

/** Tasks that end when the test says so. */
function controlled() {
  const started: number[] = []
  const ends: ((fail: boolean) => void)[] = []
  const task = (name: number) => () =>
    new Promise<number>((resolve, reject) => {
      started.push(name)
      ends[name] = (fail) => (fail ? reject(new Error(String(name))) : resolve(name))
    })
  return { started, end: (name: number, fail = false) => ends[name]?.(fail), task }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('HashGate', () => {
  it('runs so many, lets so many wait, and refuses the rest at once', async () => {
    const gate = new HashGate({ running: 2, waiting: 1 })
    const { started, end, task } = controlled()
    const results = [0, 1, 2].map((name) => gate.run(task(name)))
    const refused = await gate.run(task(3)).catch((error: unknown) => error)
    expect(isImError(refused, 'BUSY') && refused.retryAfterMs).toBe(1_000)
    expect(started).toEqual([0, 1])
    end(1)
    await settle()
    expect(started).toEqual([0, 1, 2])
    end(0)
    end(2)
    expect(await Promise.all(results)).toEqual([0, 1, 2])
  })

  it('hands a place on to who waits, so that a newcomer finds it taken', async () => {
    const gate = new HashGate({ running: 1, waiting: 5 })
    const { started, end, task } = controlled()
    const results = [0, 1].map((name) => gate.run(task(name)))
    end(0)
    await settle()
    results.push(gate.run(task(2)))
    await settle()
    expect(started).toEqual([0, 1])
    end(1)
    await settle()
    expect(started).toEqual([0, 1, 2])
    end(2)
    expect(await Promise.all(results)).toEqual([0, 1, 2])
    const later = gate.run(task(3))
    expect(started).toEqual([0, 1, 2, 3])
    end(3)
    expect(await later).toBe(3)
  })

  it('keeps its bounds and its order whatever ends when, failures included', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(), fc.boolean()), { minLength: 1, maxLength: 12 }), async (ends) => {
        const gate = new HashGate({ running: 3, waiting: 100 })
        const { started, end, task } = controlled()
        const outcomes = ends.map((_, name) =>
          gate.run(task(name)).then(
            () => 'done',
            () => 'failed',
          ),
        )
        const open = new Set<number>()
        const expected = new Map<number, string>()
        for (const [pick, fail] of ends) {
          await settle()
          for (const name of started) if (!expected.has(name)) open.add(name)
          expect(open.size).toBe(Math.min(3, ends.length - expected.size))
          const name = [...open][pick % open.size] as number
          open.delete(name)
          expected.set(name, fail ? 'failed' : 'done')
          end(name, fail)
        }
        expect(await Promise.all(outcomes)).toEqual(ends.map((_, name) => expected.get(name)))
        expect(started).toEqual(ends.map((_, name) => name))
      }),
      { numRuns: 50 },
    )
  })
})
