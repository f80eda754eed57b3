import type { Clock } from '@innerline/protocol'
import type { Storage } from '../ports/storage.js'
import { assertOpen, type MemoryContext } from './context.js'
import { conversationStorage } from './conversations.js'
import { createMemoryData, type MemoryData } from './data.js'
import { feedStorage } from './feed.js'
import { leaseStorage } from './leases.js'
import { logStorage } from './log.js'
import { userStorage } from './users.js'

export interface MemoryStorageOptions {
  readonly clock: Clock
  /** Data shared with other nodes of this process; own data by default. */
  readonly data?: MemoryData | undefined
}

const contexts = new WeakMap<Storage, MemoryContext>()

/** A {@link Storage} in this process's memory: complete, and gone with the process. */
export function memoryStorage(options: MemoryStorageOptions): Storage {
  const data = options.data ?? createMemoryData()
  const context: MemoryContext = { data, clock: options.clock, closed: false }
  const storage: Storage = {
    capabilities: { durable: false },
    ...logStorage(context),
    ...conversationStorage(context),
    ...feedStorage(context),
    ...leaseStorage(context),
    ...userStorage(context),
    async start() {
      context.closed = false
    },
    async close() {
      context.closed = true
    },
    async ping() {
      assertOpen(context)
    },
    async epoch() {
      assertOpen(context)
      return data.epoch
    },
    async raiseEpoch() {
      assertOpen(context)
      return ++data.epoch
    },
  }
  contexts.set(storage, context)
  return storage
}

/** What a memory storage is made of; for its controls alone. */
export function contextOf(storage: Storage): MemoryContext {
  const context = contexts.get(storage)
  if (context === undefined) throw new TypeError('This storage was not made by memoryStorage().')
  return context
}
