import { expect } from 'vitest'
import type { Change, Entry, FeedPosition, Storage } from './types.js'

/** What holds for every log at every time: dense seqs, unique ids, ords that count, times that never fall. */
export function expectSoundLog(entries: readonly Entry[], from = 1): void {
  expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, index) => from + index))
  expect(new Set(entries.map((entry) => entry.msgId)).size, 'no msgId is stored twice').toBe(entries.length)
  for (let i = 1; i < entries.length; i++) {
    const [before, entry] = [entries[i - 1] as Entry, entries[i] as Entry]
    expect(entry.ord - before.ord).toBe(isCountable(entry) ? 1 : 0)
    expect(entry.timestamp).toBeGreaterThanOrEqual(before.timestamp)
  }
}

/** As the suites make them: messages count, everything else does not. */
export const isCountable = (entry: Entry): boolean => entry.kind === 'message'

/** The whole log by forward pages, checked to be sound. */
export async function readLog(storage: Storage, conversationId: string, limit = 100): Promise<Entry[]> {
  const entries: Entry[] = []
  let from = 1
  for (;;) {
    const page = await storage.readMessages({
      conversationId,
      from,
      to: Number.MAX_SAFE_INTEGER,
      direction: 'forward',
      limit,
      maxBytes: 1 << 20,
    })
    entries.push(...page.entries)
    if (!page.more) break
    expect(page.entries.length, 'a page that has more holds something').toBeGreaterThan(0)
    from = (page.entries.at(-1)?.seq ?? from) + 1
  }
  expectSoundLog(entries, entries[0]?.seq)
  return entries
}

/** A reader of the feed that insists on what every reader may rely on. */
export class FeedReader {
  readonly changes: Change[] = []
  readonly #seen = new Set<number>()

  private constructor(
    readonly storage: Storage,
    public position: FeedPosition,
  ) {}

  static async start(storage: Storage): Promise<FeedReader> {
    return new FeedReader(storage, await storage.startPosition())
  }

  static at(storage: Storage, position: FeedPosition): FeedReader {
    return new FeedReader(storage, position)
  }

  /** Reads until there is nothing more; returns what was new. */
  async drain(limit = 100): Promise<readonly Change[]> {
    const fresh: Change[] = []
    for (;;) {
      const before = JSON.stringify(this.position)
      const batch = await this.storage.changes(this.position, limit)
      expect(batch.tooOld, 'the position is still good').toBe(false)
      expect(JSON.stringify(this.position), 'the given position is left as it was').toBe(before)
      expect(batch.changes.length).toBeLessThanOrEqual(limit)
      this.#take(batch.changes, batch.position)
      fresh.push(...batch.changes)
      if (!batch.more) return fresh
      expect(batch.changes.length, 'a batch that has more holds something').toBeGreaterThan(0)
    }
  }

  /** Non-void changes of one conversation so far. */
  of(conversationId: string): readonly Change[] {
    return this.changes.filter((change) => change.conversationId === conversationId)
  }

  #take(changes: readonly Change[], next: FeedPosition): void {
    for (const [index, change] of changes.entries()) {
      if (index > 0) expect(change.id, 'ascending').toBeGreaterThan((changes[index - 1] as Change).id)
      expect(this.#seen.has(change.id), `change ${change.id} comes once`).toBe(false)
      const wanted = change.id > this.position.id || this.position.missing.includes(change.id)
      expect(wanted, `change ${change.id} is new to this position`).toBe(true)
      this.#seen.add(change.id)
      this.changes.push(change)
    }
    expect(next.missing).toEqual([...next.missing].sort((a, b) => a - b))
    expect(next.id).toBeGreaterThanOrEqual(this.position.id)
    for (const id of next.missing) {
      expect(id).toBeLessThan(next.id)
      expect(this.#seen.has(id), `missing ${id} has not been read`).toBe(false)
    }
    this.position = next
  }
}
