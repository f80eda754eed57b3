import { ImError } from '@innerline/protocol'

/** The same promise, which nobody is obliged to listen to: an ignored rejection must not end a Node process. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** Calls `fn` when `signal` is aborted, at once if it is already; returns the undo. */
export function onAbort(signal: AbortSignal | undefined, fn: () => void): () => void {
  if (signal?.aborted) fn()
  else signal?.addEventListener('abort', fn)
  return () => signal?.removeEventListener('abort', fn)
}

/** `start`, with calls that overlap sharing one promise. */
export function sharing<A extends unknown[], T>(start: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  let running: Promise<T> | undefined
  return (...args) => {
    running ??= quiet(
      start(...args).finally(() => {
        running = undefined
      }),
    )
    return running
  }
}

/** Those who wait for the same thing. */
export interface Waiters {
  /** Resolves or rejects with the next `settle`; or with `CANCELLED` by `signal`, `cancelled` being called then. */
  wait(signal?: AbortSignal, cancelled?: () => void): Promise<void>
  /** Ends all waits. */
  settle(error?: ImError): void
}

export function createWaiters(): Waiters {
  const all = new Set<(error?: ImError) => void>()
  return {
    wait: (signal, cancelled) =>
      quiet(
        new Promise((resolve, reject) => {
          let off = () => {}
          const settle = (error?: ImError) => {
            all.delete(settle)
            off()
            if (error) reject(error)
            else resolve()
          }
          all.add(settle)
          off = onAbort(signal, () => {
            settle(new ImError('CANCELLED'))
            cancelled?.()
          })
        }),
      ),
    settle(error) {
      for (const settle of [...all]) settle(error)
    },
  }
}
