import { eventLogContract, type EventLogHarness } from '../../src/contract/index.js'
import { feedEventLog } from '../../src/delivery/index.js'
import { createMemoryData } from '../../src/memory/data.js'
import { memoryStorage } from '../../src/memory/storage.js'
import { silentLogger } from '../../src/ports/logger.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

eventLogContract('change feed over memory', async (): Promise<EventLogHarness> => {
  const clock = new TestClock()
  const ids = new TestIds()
  const storage = memoryStorage({ clock, data: createMemoryData() })
  await storage.start()
  const log = (nodeId: string) => feedEventLog({ storage, clock, ids, nodeId, logger: silentLogger })
  const logs = [log('a'), log('b'), log('c')] as const
  for (const each of logs) await each.start()
  return {
    ...{ clock, ids, storage, logs },
    advance: (ms) => clock.advance(ms),
    async dispose() {
      const closed = Promise.all(logs.map((each) => each.close()))
      await clock.advance(5_000)
      await closed
      await storage.close()
    },
  }
})
