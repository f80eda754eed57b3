import type { ImClient } from '@innerline/sdk-client'
import type { Person } from '../src/demo-users.js'
import { Cell } from './dom.js'

const BATCH = 100

/** Names of the people on the page, asked for once each and in batches. Until one is known, the id stands for it. */
export class People {
  /** Changes whenever a name becomes known. */
  readonly known = new Cell<ReadonlyMap<string, Person>>(new Map())
  readonly #client: ImClient
  readonly #asked = new Set<string>()
  #batch: string[] = []

  constructor(client: ImClient, own: Person) {
    this.#client = client
    this.learn([own])
  }

  /** The display name of `userId`, or the id; asks for unknown ones. */
  name(userId: string): string {
    const person = this.known.getSnapshot().get(userId)
    if (person === undefined) this.#ask(userId)
    return person?.displayName ?? userId
  }

  learn(people: readonly Person[]): void {
    const known = new Map(this.known.getSnapshot())
    for (const person of people) {
      known.set(person.userId, person)
      this.#asked.add(person.userId)
    }
    this.known.set(known)
  }

  /** People matching `text`. Rejects like a request. */
  async search(text: string, signal: AbortSignal): Promise<readonly Person[]> {
    const { items } = await this.#client.request<{ readonly items: readonly Person[] }>('GET', '/api/im/users', {
      query: { q: text },
      signal,
    })
    this.learn(items)
    return items
  }

  #ask(userId: string): void {
    if (this.#asked.has(userId)) return
    this.#asked.add(userId)
    this.#batch.push(userId)
    if (this.#batch.length === 1) queueMicrotask(() => void this.#flush())
  }

  async #flush(): Promise<void> {
    const ids = this.#batch.splice(0, BATCH)
    if (this.#batch.length > 0) queueMicrotask(() => void this.#flush())
    try {
      const query = { ids: ids.join(',') }
      const { items } = await this.#client.request<{ readonly items: readonly Person[] }>('GET', '/api/im/users', { query })
      this.learn(items)
    } catch {
      // The ids stay on the page; the next sight of one asks again.
      for (const id of ids) this.#asked.delete(id)
    }
  }
}
