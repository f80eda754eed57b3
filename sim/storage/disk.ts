import { type ImStore, memoryStore } from '@innerline/sdk-client'
import type { ChatMessage } from '@innerline/protocol'
import type { StoredPosition } from '@innerline/sdk-client'
import type { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import type { Scheduler } from '../core/scheduler.js'

/** Rows have been handed to the store, which now says that it is there. */
export type Applied = (conversationId: string, rows: readonly ChatMessage[], position: StoredPosition | undefined, epoch: number) => void

/** The app hears that its store has taken these rows; what is not above `had` was there before. */
export type Taken = (conversationId: string, rows: readonly ChatMessage[], had: number) => void

/** What a device keeps through crashes of its app: one store behind calls that take time, one after the other. */
export class Disk {
  readonly store: ImStore = memoryStore()
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #hardware: Process
  readonly #applied: Applied
  readonly delayMs: number
  #lastAt = 0
  #underWay = 0

  constructor(scheduler: Scheduler, random: Random, hardware: Process, delayMs: number, applied: Applied) {
    this.#scheduler = scheduler
    this.#random = random
    this.#hardware = hardware
    this.delayMs = delayMs
    this.#applied = applied
  }

  /** Whether calls are under way. */
  get busy(): boolean {
    return this.#underWay > 0
  }

  /**
   * The store as one run of the app has it. Calls under way when it dies are done all or not at all. `taking` is called when rows are handed
   * over, and what it returns when the app hears that they are there.
   */
  connect(process: Process, taking: () => Taken): ImStore {
    let finishes: boolean | undefined
    return new Proxy(this.store, {
      get:
        (target, name) =>
        (...args: unknown[]) =>
          new Promise((resolve, reject) => {
            this.#underWay++
            const taken = name === 'apply' ? taking() : undefined
            this.#lastAt = Math.max(this.#lastAt, this.#scheduler.now) + this.#random.exponential(this.delayMs)
            this.#scheduler.at(this.#lastAt, this.#hardware, () => {
              this.#underWay--
              if (!process.alive) {
                finishes ??= this.#random.chance(0.5)
                if (!finishes) return
              }
              const method = (target as unknown as Record<string | symbol, (...all: unknown[]) => Promise<unknown>>)[name]
              method?.(...args).then(async (result) => {
                if (name === 'apply') await this.#observe(args)
                // In the app's own time; it is awake nearly always, and a step of its own costs as much as the call.
                const answer = (): void => {
                  taken?.(args[0] as string, rowsOf(args), result as number)
                  resolve(result)
                }
                if (process.alive && !process.frozen) answer()
                else this.#scheduler.at(this.#scheduler.now, process, answer)
              }, reject)
            })
          }),
    })
  }

  async #observe(args: readonly unknown[]): Promise<void> {
    const [conversationId] = args as [string]
    this.#applied(conversationId, rowsOf(args), await this.store.position(conversationId), await this.store.epoch())
  }
}

const rowsOf = (args: readonly unknown[]): readonly ChatMessage[] => args.find((arg) => Array.isArray(arg)) as readonly ChatMessage[]
