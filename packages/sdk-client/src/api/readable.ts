/** Stops what it was returned for; calling it again does nothing. */
export type Unsubscribe = () => void

/**
 * The contract of every observable piece of state. Snapshots are immutable and keep their identity until something changes, so
 * `useSyncExternalStore(x.subscribe, x.getSnapshot)` works as it stands: both members are bound.
 */
export interface Readable<T> {
  readonly getSnapshot: () => T
  /** Calls `listener` after each change, without arguments. */
  readonly subscribe: (listener: () => void) => Unsubscribe
}

export interface CallOptions {
  /** Abandons the call: it rejects with `CANCELLED`. */
  readonly signal?: AbortSignal | undefined
}
