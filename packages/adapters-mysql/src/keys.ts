import type { Database } from './database.js'
import { toSeq, toText } from './rows.js'
import { ids, sql } from './sql.js'

const MAX_KEPT = 50_000

/**
 * Numeric keys of conversations. A key never changes while a database lives, but a restore may give it to another
 * conversation, so who uses one checks it against the row it leads to and calls `forget`.
 */
export class ConversationKeys {
  readonly #database: Database
  readonly #known = new Map<string, number>()

  constructor(database: Database) {
    this.#database = database
  }

  /** Keys of those conversations that exist. */
  async of(conversationIds: Iterable<string>): Promise<ReadonlyMap<string, number>> {
    const keys = new Map<string, number>()
    const unknown: string[] = []
    for (const conversationId of new Set(conversationIds)) {
      const known = this.#known.get(conversationId)
      if (known === undefined) unknown.push(conversationId)
      else keys.set(conversationId, known)
    }
    if (unknown.length === 0) return keys
    const { session } = this.#database.tables
    const rows = await this.#database.read(
      sql`SELECT s.session_id,s.conversation_key FROM ${session} s WHERE s.session_id IN (${ids(unknown)})`,
    )
    for (const row of rows) {
      const conversationId = toText(row['session_id'])
      const key = toSeq(row['conversation_key'])
      keys.set(conversationId, key)
      this.#keep(conversationId, key)
    }
    return keys
  }

  forget(conversationId: string): void {
    this.#known.delete(conversationId)
  }

  clear(): void {
    this.#known.clear()
  }

  #keep(conversationId: string, key: number): void {
    if (this.#known.size >= MAX_KEPT) {
      const [oldest] = this.#known.keys()
      if (oldest !== undefined) this.#known.delete(oldest)
    }
    this.#known.set(conversationId, key)
  }
}
