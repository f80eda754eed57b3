import type { ChatMessage } from '@innerline/protocol'
import { isChange, patched } from '../conversation/entries.js'
import type { ImStore, OutboxRecord } from './store.js'

/** Newest rows kept of a conversation; a client reads older ones from the server again. */
const KEPT_ROWS = 1_000

/** The rows above `lowSeq`, one after the other. */
interface Held {
  lowSeq: number
  rows: ChatMessage[]
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
      if (epoch <= data().epoch) return
      data().epoch = epoch
      data().conversations.clear()
    },
    async position(id) {
      const held = data().conversations.get(id)
      return held && { lowSeq: held.lowSeq, lastSeq: held.lowSeq + held.rows.length }
    },
    async rows(id, fromSeq, toSeq) {
      return (data().conversations.get(id)?.rows ?? []).filter(({ seq }) => seq >= fromSeq && seq <= toSeq)
    },
    async apply(id, epoch, low, run) {
      const { conversations, epoch: stored } = data()
      if (epoch !== stored) return Number.POSITIVE_INFINITY
      const known = conversations.get(id) ?? { lowSeq: 0, rows: [] }
      const last = known.lowSeq + known.rows.length
      const held = low > last ? { lowSeq: low, rows: [] } : known
      conversations.set(id, held)
      if (low + run.length < held.lowSeq) return last
      const below = run.slice(0, Math.max(0, held.lowSeq - low))
      held.rows.unshift(...below)
      held.rows.push(...run.slice(Math.max(last, low) - low))
      held.lowSeq -= below.length
      for (const change of run.filter(isChange)) held.rows = held.rows.map((row) => patched(row, change))
      // Not at every row, as each time costs a copy of all.
      const surplus = held.rows.length - KEPT_ROWS
      if (surplus > KEPT_ROWS) held.lowSeq += held.rows.splice(0, surplus).length
      return last
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
