import type { AppendItem, AppendResult } from '../ports/index.js'

const MAX_BATCH_ITEMS = 100
const MAX_BATCH_BYTES = 1024 * 1024

/** An item on its way to be stored. */
export interface Waiting {
  readonly item: AppendItem
  /** Monotonic ms at which it came. */
  readonly since: number
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

export interface TakenBatch {
  readonly waiting: readonly Waiting[]
  /** The conversations in it, each with its items that found no room. */
  readonly conversations: ReadonlyMap<string, Waiting[]>
  /** Items that have waited too long and are in no batch. */
  readonly stale: readonly Waiting[]
}

/**
 * Conversations with items that may travel at once, in the order in which they became ready. A batch takes a conversation's items
 * together: each conversation in it costs the database a head and a change, whatever the number of its items.
 */
export class ReadyAppends {
  readonly #conversations = new Map<string, Waiting[]>()
  #items = 0
  #bytes = 0

  get isEmpty(): boolean {
    return this.#conversations.size === 0
  }

  /** Whether they fill a batch. */
  get fillBatch(): boolean {
    return this.#items >= MAX_BATCH_ITEMS || this.#bytes >= MAX_BATCH_BYTES
  }

  /** How many items of a conversation are ready. */
  countOf(conversationId: string): number {
    return this.#conversations.get(conversationId)?.length ?? 0
  }

  add(conversationId: string, items: readonly Waiting[]): void {
    const known = this.#conversations.get(conversationId)
    if (known === undefined) this.#conversations.set(conversationId, [...items])
    else known.push(...items)
    this.#count(items, 1)
  }

  /** Takes the front, up to the limits of a batch; items that came before `oldest` are left out of it. */
  takeBatch(oldest: number): TakenBatch {
    const waiting: Waiting[] = []
    const stale: Waiting[] = []
    const conversations = new Map<string, Waiting[]>()
    const room = new Room()
    for (const [conversationId, items] of this.#conversations) {
      stale.push(...takeStale(items, oldest))
      const taken = room.take(items)
      // What finds no room at all is the first in the next batch: a large one would otherwise wait for ever behind small ones.
      if (taken.length === 0 && items.length > 0) break
      this.#conversations.delete(conversationId)
      if (taken.length === 0) continue
      waiting.push(...taken)
      conversations.set(conversationId, items)
      this.#count(items, -1)
    }
    this.#count(waiting, -1)
    this.#count(stale, -1)
    return { waiting, conversations, stale }
  }

  #count(items: readonly Waiting[], sign: 1 | -1): void {
    this.#items += sign * items.length
    for (const { item } of items) this.#bytes += sign * item.bodyJson.length
  }
}

/** What is left of a batch's limits. */
export class Room {
  #items = 0
  #bytes = 0

  /** Takes what fits off the front, but never nothing for an empty batch. */
  take(items: Waiting[]): readonly Waiting[] {
    let count = 0
    for (const { item } of items) {
      const bytes = this.#bytes + item.bodyJson.length
      if (this.#items > 0 && (this.#items >= MAX_BATCH_ITEMS || bytes > MAX_BATCH_BYTES)) break
      this.#items++
      this.#bytes = bytes
      count++
    }
    return items.splice(0, count)
  }
}

/** Items come in order of time, so the stale ones are in front. */
function takeStale(items: Waiting[], oldest: number): readonly Waiting[] {
  const fresh = items.findIndex(({ since }) => since > oldest)
  return items.splice(0, fresh < 0 ? items.length : fresh)
}
