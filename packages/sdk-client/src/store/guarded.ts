import { ImError } from '@innerline/protocol'
import type { ImStore } from './store.js'

/** Wraps a store so that it never rejects: after the first failure it is not asked again, and the view goes on in memory. */
export function guardedStore(store: ImStore, report: (cause: unknown) => void): ImStore {
  let broken = false
  const ask = async <T>(call: () => Promise<T>, otherwise: T): Promise<T> => {
    if (broken) return otherwise
    try {
      return await call()
    } catch (cause) {
      if (!broken) report(new ImError('STORAGE_UNAVAILABLE', { cause }))
      broken = true
      return otherwise
    }
  }
  return {
    open: (userId) => ask(() => store.open(userId), undefined),
    epoch: () => ask(() => store.epoch(), 0),
    reset: (epoch) => ask(() => store.reset(epoch), undefined),
    position: (id) => ask(() => store.position(id), undefined),
    rows: (id, from, to) => ask(() => store.rows(id, from, to), []),
    apply: (id, rows, expected, position) => ask(() => store.apply(id, rows, expected, position), true),
    outbox: () => ask(() => store.outbox(), []),
    putOutbox: (record) => ask(() => store.putOutbox(record), undefined),
    deleteOutbox: (msgId) => ask(() => store.deleteOutbox(msgId), undefined),
    close: () => ask(() => store.close(), undefined),
    clear: () => ask(() => store.clear(), undefined),
  }
}
