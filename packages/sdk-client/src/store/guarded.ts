import { ImError } from '@innerline/protocol'
import type { ImStore } from './store.js'

type Call = (...args: unknown[]) => unknown

/** What a store that cannot be used answers; undefined elsewhere. */
const otherwise: Readonly<Record<string, unknown>> = { epoch: 0, rows: [], apply: true, outbox: [] }

/**
 * Wraps a store so that it never rejects: after the first failure it is not asked again, and the view goes on in memory. What is asked
 * before it is open waits for that, as messages are written before it is known whose store it is; a store never opened is not closed.
 */
export function guardedStore(store: ImStore, report: (cause: unknown) => void): ImStore {
  let broken = false
  let isOpen = false
  let opened = () => {}
  const opening = new Promise<void>((resolve) => {
    opened = resolve
  })
  return new Proxy(store, {
    get:
      (_, method: string) =>
      async (...args: unknown[]) => {
        const opens = method === 'open'
        if (!opens && !isOpen) {
          if (method === 'close' || method === 'clear') return
          await opening
        }
        try {
          if (!broken) return await (store as unknown as Record<string, Call>)[method]?.(...args)
        } catch (cause) {
          if (!broken) report(new ImError('STORAGE_UNAVAILABLE', { cause }))
          broken = true
        } finally {
          if (opens) {
            isOpen = true
            opened()
          }
        }
        return otherwise[method]
      },
  })
}
