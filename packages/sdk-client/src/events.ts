import type { ImEvents } from './api/events.js'
import type { ImLogger } from './api/options.js'
import type { Unsubscribe } from './api/readable.js'
import { asImError } from './failure.js'
import { createListeners, type Listeners } from './observable.js'
import { onAbort } from './waiting.js'

export type Emit = <E extends keyof ImEvents>(event: E, ...args: Parameters<ImEvents[E]>) => void

export interface Events {
  readonly on: <E extends keyof ImEvents>(
    event: E,
    listener: ImEvents[E],
    options?: { readonly signal?: AbortSignal; readonly once?: boolean },
  ) => Unsubscribe
  readonly emit: Emit
  /** Tells of a failure that no call can answer for. */
  readonly report: (cause: unknown) => void
  readonly close: () => void
}

/** The client's event hub. */
export function createEvents(logger: ImLogger | undefined): Events {
  const hub = new Map<keyof ImEvents, Listeners<unknown[]>>()
  const report = (cause: unknown) => {
    const error = asImError(cause, 'INTERNAL')
    logger?.warn({ code: error.code, cause: error.cause }, error.message)
    hub.get('error')?.tell(error)
  }
  // An error listener that throws is not told of its own error, or it would never end.
  const last = (cause: unknown) => logger?.error({ cause }, 'error listener')
  return {
    on(event, listener, { signal, once } = {}) {
      const listeners = hub.get(event) ?? createListeners<unknown[]>(event === 'error' ? last : report)
      hub.set(event, listeners)
      const remove = listeners.add((...args) => {
        if (once) off()
        ;(listener as (...all: unknown[]) => void)(...args)
      })
      let forget = () => {}
      const off = () => {
        remove()
        forget()
      }
      forget = onAbort(signal, off)
      return off
    },
    emit: (event, ...args) => hub.get(event)?.tell(...args),
    report,
    close: () => hub.clear(),
  }
}
