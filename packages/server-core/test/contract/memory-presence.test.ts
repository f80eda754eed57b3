import { presenceContract, type PresenceHarness } from '../../src/contract/index.js'
import { memoryPresence, PresenceTable } from '../../src/memory/presence.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

presenceContract('memory', async (): Promise<PresenceHarness> => {
  const clock = new TestClock()
  const table = new PresenceTable(clock)
  // A clock per node, so that a killed node's renewals can end with it.
  const clocks = [new TestClock(), new TestClock(), new TestClock()]
  const alive = new Set(clocks)
  const [a, b, c] = clocks.map((own) => memoryPresence({ clock: own, table })) as [never, never, never]
  return {
    clock,
    ids: new TestIds(),
    nodes: [a, b, c],
    kill: async (index) => void alive.delete(clocks[index] as TestClock),
    async advance(ms) {
      for (let passed = 0; passed < ms; passed += 1_000) {
        for (const each of [clock, ...alive]) await each.advance(Math.min(1_000, ms - passed))
      }
    },
    async dispose() {},
  }
})
