/** What reads the machine's time or chance, and whose use in a history is therefore a bug. */
const TRAPS: readonly (readonly [owner: object, name: string, label: string])[] = [
  [Date, 'now', 'Date.now'],
  [performance, 'now', 'performance.now'],
  [Math, 'random', 'Math.random'],
  [globalThis, 'setTimeout', 'setTimeout'],
  [globalThis, 'setInterval', 'setInterval'],
  [globalThis, 'setImmediate', 'setImmediate'],
  [crypto, 'randomUUID', 'crypto.randomUUID'],
  [crypto, 'getRandomValues', 'crypto.getRandomValues'],
]

const CONSOLE = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const

/**
 * Runs `work` with the machine's time, chance and console out of reach. `found` is told of every use, every rejection nobody handled and
 * everything printed: none of it belongs into a history.
 */
export async function guarded<T>(found: (what: string) => void, work: () => Promise<T>): Promise<T> {
  const undo: (() => void)[] = []
  const replace = (owner: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(owner, name)
    Object.defineProperty(owner, name, { value, configurable: true, writable: true })
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, before)
    })
  }
  for (const [owner, name, label] of TRAPS) {
    replace(owner, name, () => {
      const at = new Error(`${label} was used`)
      found(at.stack ?? at.message)
      throw at
    })
  }
  for (const name of CONSOLE) replace(console, name, (...args: unknown[]) => found(`console.${name}: ${args.map(String).join(' ')}`))
  const onRejection = (reason: unknown): void => found(`unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`)
  // Others' listeners would end the process, or the test run, over what the history reports by itself.
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', onRejection)
  undo.push(() => {
    process.off('unhandledRejection', onRejection)
    for (const listener of others) process.on('unhandledRejection', listener)
  })
  try {
    return await work()
  } finally {
    for (const step of undo.reverse()) step()
  }
}
