import type { ChatMessage } from '@innerline/protocol'
import { isChange, patched } from '../conversation/entries.js'
import type { ImStore, OutboxRecord, StoredPosition } from './store.js'

/** Newest rows kept of a conversation; a client reads older ones from the server again. */
const KEPT_ROWS = 1_000

interface Held {
  position: StoredPosition
  readonly rows: Map<number, ChatMessage>
}

interface Data {
  epoch: number
  readonly conversations: Map<string, Held>
  readonly outbox: Map<string, OutboxRecord>
}

/** Keeps everything until the process ends. One store can serve one client after another, as a device would. */
export function memoryStore(): ImStore {
  const users = new Map<string, Data>()
  let user = ''
  const data = (): Data => {
    const held = users.get(user) ?? { epoch: 0, conversations: new Map(), outbox: new Map() }
    users.set(user, held)
    return held
  }
  return {
    async open(userId) {
      user = userId
    },
    epoch: async () => data().epoch,
    async reset(epoch) {
      data().epoch = epoch
      data().conversations.clear()
    },
    position: async (id) => data().conversations.get(id)?.position,
    async rows(id, fromSeq, toSeq) {
      const found = [...(data().conversations.get(id)?.rows.values() ?? [])].filter(({ seq }) => seq >= fromSeq && seq <= toSeq)
      return found.sort((a, b) => a.seq - b.seq)
    },
    async apply(id, rows, expectedLast, position) {
      const { conversations } = data()
      const held: Held = conversations.get(id) ?? { position: { lowSeq: 0, lastSeq: 0 }, rows: new Map() }
      if (held.position.lastSeq !== expectedLast) return false
      conversations.set(id, held)
      held.position = position
      for (const seq of held.rows.keys()) if (seq <= position.lowSeq) held.rows.delete(seq)
      for (const row of rows) {
        held.rows.set(row.seq, row)
        held.rows.delete(row.seq - KEPT_ROWS)
      }
      for (const change of rows.filter(isChange)) {
        for (const [seq, row] of held.rows) if (row.msgId === change.target) held.rows.set(seq, patched(row, change))
      }
      return true
    },
    outbox: async () => [...data().outbox.values()],
    async putOutbox(record) {
      data().outbox.set(record.msgId, record)
    },
    async deleteOutbox(msgId) {
      data().outbox.delete(msgId)
    },
    async close() {},
    async clear() {
      users.delete(user)
    },
  }
}
