import type { Readable, Unsubscribe } from './api/readable.js'

/** Functions called one after the other, in the order they were added. */
export interface Listeners<A extends unknown[]> {
  /** The same function added twice is called twice. */
  add(listener: (...args: A) => void): Unsubscribe
  /** Calls those that were there when the call began. What one throws goes to `report` and harms no other. */
  tell(...args: A): void
  any(): boolean
}

export function createListeners<A extends unknown[]>(report: (cause: unknown) => void): Listeners<A> {
  const all = new Set<(...args: A) => void>()
  return {
    add(listener) {
      const entry = (...args: A) => listener(...args)
      all.add(entry)
      return () => {
        all.delete(entry)
      }
    },
    tell(...args) {
      for (const listener of [...all]) {
        try {
          listener(...args)
        } catch (cause) {
          report(cause)
        }
      }
    },
    any: () => all.size > 0,
  }
}

/** A value computed when asked and kept until `changed()`. */
export interface Cell<T> extends Readable<T> {
  /** Forgets the value and tells the listeners. */
  changed(): void
  /** Whether anybody listens. */
  watched(): boolean
}

/** Makes a cell; what a listener throws goes to `report`, so that one broken view stops no other. */
export function createCell<T>(compute: () => T, report: (cause: unknown) => void): Cell<T> {
  const listeners = createListeners(report)
  let fresh = false
  let value: T
  return {
    getSnapshot() {
      if (!fresh) value = compute()
      fresh = true
      return value
    },
    subscribe: (listener) => listeners.add(() => listener()),
    watched: listeners.any,
    changed() {
      fresh = false
      listeners.tell()
    },
  }
}
