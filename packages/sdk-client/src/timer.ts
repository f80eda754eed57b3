import type { Cancel, Clock } from '@innerline/protocol'

/** One timer, which is started, replaced and stopped. */
export interface Timer {
  /** Whether it will fire. */
  running(): boolean
  /** Calls `fn` after `delayMs`, instead of what was to be called. */
  start(delayMs: number, fn: () => void): void
  stop(): void
}

export function createTimer(clock: Clock): Timer {
  let cancel: Cancel | undefined
  const stop = () => {
    cancel?.()
    cancel = undefined
  }
  return {
    running: () => cancel !== undefined,
    start(delayMs, fn) {
      stop()
      cancel = clock.after(delayMs, () => {
        cancel = undefined
        fn()
      })
    },
    stop,
  }
}
