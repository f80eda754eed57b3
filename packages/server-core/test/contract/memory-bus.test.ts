import { busContract, type BusHarness } from '../../src/contract/index.js'
import { createMemoryHub, memoryBus } from '../../src/memory/bus.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

busContract('memory', async (): Promise<BusHarness> => {
  const clock = new TestClock()
  const hub = createMemoryHub()
  const buses = [memoryBus({ hub }), memoryBus({ hub }), memoryBus({ hub })] as const
  return {
    clock,
    ids: new TestIds(),
    buses,
    advance: (ms) => clock.advance(ms),
    kill: async (index) => buses[index]?.close(),
    async interrupt() {
      hub.interrupt()
      return async () => hub.mend()
    },
    async dispose() {
      for (const bus of buses) await bus.close()
    },
  }
})
