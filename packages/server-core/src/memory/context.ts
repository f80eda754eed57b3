import { ImError, type Clock } from '@innerline/protocol'
import type { MemoryData } from './data.js'

/** What the parts of one memory storage share. */
export interface MemoryContext {
  readonly data: MemoryData
  readonly clock: Clock
  closed: boolean
}

/** Rejects like a storage that does not answer, once this node has closed its own. */
export function assertOpen(context: MemoryContext): void {
  if (context.closed) throw new ImError('UNAVAILABLE', { detail: 'This storage has been closed.', retryAfterMs: 1_000 })
}
