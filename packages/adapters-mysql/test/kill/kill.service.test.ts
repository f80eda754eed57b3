import { describe, expect, it } from 'vitest'
import { describeViolations } from '../../../../sim/checker/index.js'
import { crashSafe, killConnections, killServer } from './harms.js'
import { figuresLine, type KillRun, killRun } from './kill-run.js'
import { ownServer, privateServers } from './private-server.js'

/** A short share; `node scripts/kill-tests.mjs` does 50 000 of each. */
const APPENDS = 4_000

function expectKept(run: KillRun): void {
  console.log(figuresLine(run))
  expect(describeViolations(run.verdict.violations), `seed ${run.seed}`).toBe('')
  const { acknowledged, duplicates, entries, cursorObservations } = run.verdict.figures
  expect(acknowledged, 'every append has been answered in the end').toBe(APPENDS)
  expect(duplicates / acknowledged, 'a fifth of them are repeats').toBeGreaterThan(0.15)
  expect(entries).toBeLessThan(APPENDS)
  expect(cursorObservations).toBeGreaterThan(100)
  expect(run.history.readers).toHaveLength(2)
  expect(run.epochs, 'one epoch over all of it').toBe(1)
  expect(run.resolvedFloor, 'gaps have been closed').toBeGreaterThan(0)
}

describe.each(privateServers)('%s', (name) => {
  const server = ownServer(name, crashSafe(name))

  it('loses, repeats and misorders nothing while connections are killed at random', async () => {
    const harm = killConnections({ uri: server().url })
    const run = await killRun({ uri: server().url, kind: 'adapter', appends: APPENDS, harm })
    console.log(harm.says())
    expect(harm.count()).toBeGreaterThan(10)
    expectKept(run)
  })

  it('loses, repeats and misorders nothing when the server itself is killed in mid-load', async () => {
    const { url: uri, instances } = server()
    const harm = killServer({ instance: instances[0], times: 2, appends: APPENDS })
    const run = await killRun({ uri, kind: 'adapter', appends: APPENDS, harm })
    console.log(harm.says())
    expect(harm.count()).toBe(2)
    expectKept(run)
  })
})
