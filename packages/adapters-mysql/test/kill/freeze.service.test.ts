import { beforeAll, describe, expect, it } from 'vitest'
import { describeViolations } from '../../../../sim/checker/index.js'
import { freezeLine, type FreezeRun, type PreparedFreeze, prepareFreeze } from './freeze-run.js'
import { privateServers } from './private-server.js'
import type { Occupation } from './victim.js'

const urlOf = (name: string): string => process.env[name === 'mariadb' ? 'MARIADB_URL' : 'MYSQL9_URL'] ?? ''

/** How long the frozen process's conversation is held: from (or nothing is shown) and to, in ms. */
const cases: readonly [Occupation, readonly [number, number]][] = [
  ['append', [1_500, 5_000]],
  ['tx-reading', [1_500, 5_000]],
  ['tx', [1_500, 5_000]],
  // Who appends in that conversation raises the cursor that is held.
  ['cursor', [1_500, 5_000]],
  // The host's session has no timeouts: its conversation stays locked for as long as the host sleeps, and nothing else does.
  ['tx-idle', [5_000, 9_000]],
]
/** MySQL keeps to the same timeouts by other code, so the two that depend on them are seen there as well; the rest in the long form. */
const runs = privateServers.flatMap((name) => cases.slice(0, name === 'mariadb' ? cases.length : 2).map((each) => [name, ...each] as const))

describe('a writer frozen by SIGSTOP', () => {
  // Each waits most of the time, and each has a namespace of its own: all beside each other take the time of one.
  const outcomes = new Map<string, Promise<FreezeRun>>()
  beforeAll(async () => {
    // All processes first: one that is starting would take the time of those whose time is measured.
    const prepared = await Promise.all(runs.map(([name, occupation]) => prepareFreeze(urlOf(name), occupation)))
    for (const [i, [name, occupation]] of runs.entries()) {
      const outcome = (prepared[i] as PreparedFreeze).go()
      outcome.catch(() => undefined)
      outcomes.set(`${name} ${occupation}`, outcome)
    }
  })

  it.each(runs)(
    'on %s in %s lets the others go on',
    async (name, occupation, [least, most]) => {
      const run = (await outcomes.get(`${name} ${occupation}`)) as FreezeRun
      console.log(`${name}, ${freezeLine(run)}`)
      expect(describeViolations(run.verdict.violations)).toBe('')
      expect(run.resumedAfterMs - run.slowestControlMs, 'its conversation').toBeLessThan(most)
      expect(run.resumedAfterMs, 'it was frozen with its locks held, or nothing is shown here').toBeGreaterThanOrEqual(least)
      expect(run.appendsElsewhere).toBeGreaterThan(100)
      expect(run.slowestElsewhereMs, 'all other conversations').toBeLessThan(1_500)
      expect(run.slowestCursorMs, 'cursors in all other conversations').toBeLessThan(1_500)
      expect(run.slowestOwnCursorMs, 'the cursor that its own append raises').toBeLessThan(Math.max(most, 5_500))
    },
    120_000,
  )
})
