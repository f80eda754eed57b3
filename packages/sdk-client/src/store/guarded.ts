import { ImError } from '@innerline/protocol'
import type { ImStore } from './store.js'

type Call = (...args: unknown[]) => unknown

/** What a store that cannot be used answers; undefined elsewhere. */
const otherwise: Readonly<Record<string, unknown>> = { epoch: 0, rows: [], apply: 0, outbox: [] }

/**
 * Wraps a store so that it never rejects: after the first failure it is not asked again, and the view goes on in memory. Nor is it asked
 * before it is opened (it is not known yet whose data it is to hold) and after it is closed.
 */
export function guardedStore(store: ImStore, report: (cause: unknown) => void): ImStore {
  let usable = false
  return new Proxy(store, {
    get:
      (_, method: string) =>
      async (...args: unknown[]) => {
        if (method === 'open') usable = true
        if (!usable) return otherwise[method]
        if (method === 'close') usable = false
        try {
          return await (store as unknown as Record<string, Call>)[method]?.(...args)
        } catch (cause) {
          if (usable) report(new ImError('STORAGE_UNAVAILABLE', { cause }))
          usable = false
          return otherwise[method]
        }
      },
  })
}
