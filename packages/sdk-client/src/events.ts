import { EventEmitter } from 'eventemitter3'
import { ImError, isImError } from '@innerline/protocol'
import type { ImEvents } from './api/events.js'
import type { ImLogger } from './api/options.js'
import type { Unsubscribe } from './api/readable.js'

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
  const emitter = new EventEmitter()
  const report = (cause: unknown) => {
    const error = isImError(cause) ? cause : new ImError('INTERNAL', { detail: String((cause as Error)?.message ?? cause), cause })
    logger?.warn({ code: error.code, cause: error.cause }, error.message)
    emitter.emit('error', error)
  }
  return {
    on(event, listener, options = {}) {
      const off = () => {
        emitter.off(event, entry)
        options.signal?.removeEventListener('abort', off)
      }
      const entry = (...args: unknown[]) => {
        if (options.once) off()
        try {
          ;(listener as (...all: unknown[]) => void)(...args)
        } catch (cause) {
          // An error listener that throws is not told of its own error, or it would never end.
          if (event === 'error') logger?.error({ cause }, 'an error listener threw')
          else report(cause)
        }
      }
      if (!options.signal?.aborted) {
        emitter.on(event, entry)
        options.signal?.addEventListener('abort', off)
      }
      return off
    },
    emit: (event, ...args) => {
      emitter.emit(event, ...args)
    },
    report,
    close: () => {
      emitter.removeAllListeners()
    },
  }
}
