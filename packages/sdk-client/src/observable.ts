import type { Readable } from './api/readable.js'

/** A value computed when asked and kept until `changed()`. */
export interface Cell<T> extends Readable<T> {
  /** Forgets the value and tells the listeners. */
  changed(): void
  /** Whether anybody listens. */
  watched(): boolean
}

/** Makes a cell; what a listener throws goes to `report`, so that one broken view stops no other. */
export function createCell<T>(compute: () => T, report: (cause: unknown) => void): Cell<T> {
  const listeners = new Set<() => void>()
  let fresh = false
  let value: T
  return {
    getSnapshot() {
      if (!fresh) {
        value = compute()
        fresh = true
      }
      return value
    },
    subscribe(listener) {
      // A wrapper of its own, so that one function subscribed twice is two subscriptions.
      const entry = () => listener()
      listeners.add(entry)
      return () => {
        listeners.delete(entry)
      }
    },
    watched: () => listeners.size > 0,
    changed() {
      fresh = false
      for (const listener of [...listeners]) {
        try {
          listener()
        } catch (cause) {
          report(cause)
        }
      }
    },
  }
}
