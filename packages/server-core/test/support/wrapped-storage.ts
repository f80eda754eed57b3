import type { Storage } from '../../src/ports/index.js'

/** Runs one call of a storage; `call` is the real one. */
export type Around = (method: string, args: readonly unknown[], call: (args: readonly unknown[]) => Promise<unknown>) => Promise<unknown>

/** The same storage with every call of its port run by `around`, whatever the storage is. */
export function wrapped(storage: Storage, around: Around): Storage {
  return new Proxy(storage, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function' || typeof name !== 'string') return value
      return (...given: unknown[]): Promise<unknown> => around(name, given, async (args) => value.apply(target, args) as unknown)
    },
  })
}

/** What stands between a node and its storage: may delay, hold or reject any call, lose its answer or put another in its place. */
export interface Gate {
  before?: ((method: string, args: readonly unknown[]) => Promise<void> | void) | undefined
  /** The call has been done: what is thrown here is a lost answer. */
  after?: ((method: string, result: unknown) => Promise<void> | void) | undefined
  /** Puts another answer in the place of the storage's. */
  answer?: ((method: string, result: unknown) => unknown) | undefined
}

/** The same storage behind a gate. */
export function gated(storage: Storage, gate: Gate): Storage {
  return wrapped(storage, async (method, args, call) => {
    if (gate.before !== undefined) await gate.before(method, args)
    const result = await call(args)
    if (gate.after !== undefined) await gate.after(method, result)
    return gate.answer === undefined ? result : gate.answer(method, result)
  })
}

/** Calls that storages have not answered yet: what a {@link TestClock} waits for where a storage takes real time. */
export class CallsInFlight {
  readonly #running = new Set<Promise<unknown>>()
  #hasEnded = false

  /** The same storage with its calls counted. */
  watch(storage: Storage): Storage {
    return wrapped(storage, (_method, args, call) => {
      const running = call(args)
      this.#running.add(running)
      const ended = (): void => {
        this.#running.delete(running)
        this.#hasEnded = true
      }
      running.then(ended, ended)
      return running
    })
  }

  /**
   * Resolves when one of those running now has ended; undefined when none runs and none has ended since it was last asked
   * for, as what an answer leads to takes turns of its own.
   */
  get next(): Promise<unknown> | undefined {
    if (this.#running.size > 0) return Promise.race([...this.#running].map((running) => running.catch(() => undefined)))
    if (!this.#hasEnded) return undefined
    this.#hasEnded = false
    return Promise.resolve()
  }
}
