import type { StorageHarness } from '../../src/contract/harness.js'
import { memoryControls } from '../../src/memory/controls.js'
import { createMemoryData } from '../../src/memory/data.js'
import { memoryStorage } from '../../src/memory/storage.js'
import type { Storage } from '../../src/ports/storage.js'
import { TestClock } from './test-clock.js'
import { TestIds } from './test-ids.js'

/** A memory storage under a virtual clock. `wrap` may spoil what the suites get to see. */
export async function memoryStorageHarness(wrap: (storage: Storage) => Storage = (storage) => storage): Promise<StorageHarness> {
  const clock = new TestClock()
  const ids = new TestIds()
  const data = createMemoryData()
  const started: Storage[] = []
  const node = async (): Promise<Storage> => {
    const storage = memoryStorage({ clock, data })
    await storage.start()
    started.push(storage)
    return storage
  }
  const first = await node()
  const controls = memoryControls(first)
  return {
    clock,
    ids,
    storage: wrap(first),
    second: async () => wrap(await node()),
    async lateAppend(item) {
      const held = await controls.holdAppend({ nodeId: 'late', now: clock.now(), items: [item] })
      return {
        async commit() {
          const [result] = await held.commit()
          if (result?.ok !== true) throw new Error('A late append was refused.')
        },
        rollback: () => held.rollback(),
      }
    },
    arrangeMember: (conversationId, userId, member) => controls.patchMember(conversationId, userId, member),
    arrangeState: (conversationId, state) => controls.setState(conversationId, state),
    advance: (ms) => clock.advance(ms),
    async dispose() {
      for (const storage of started) await storage.close()
    },
  }
}
