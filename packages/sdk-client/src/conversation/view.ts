import type { ChatMessage } from '@innerline/protocol'
import type { Message, MessageStatus, TimelineItem } from '../api/message.js'
import type { Readable } from '../api/readable.js'
import { createCell } from '../observable.js'
import type { ConversationPorts } from './core.js'
import { createRows } from './timeline.js'

const KEPT_ROWS = 1_000
const KEPT_SENT = 100

/** What a page shows of one conversation: entries in memory, then own messages whose entry is on its way, then the outbox. */
export interface View {
  readonly messages: Readable<readonly TimelineItem[]>
  /** The entries in memory are those in `(low, last]`. */
  low(): number
  last(): number
  append(entries: readonly ChatMessage[], from: number): void
  prepend(entries: readonly ChatMessage[]): readonly ChatMessage[]
  committed(message: Message): void
  /** Something it is made of changed elsewhere. */
  changed(): void
  clear(): void
}

export function createView(id: string, ports: ConversationPorts, statusAt: (seq: number) => MessageStatus): View {
  const { outbox, userId, events } = ports
  const rows = createRows()
  const sent = new Map<string, Message>()
  const statusOf = (row: ChatMessage) => (row.fromUserId === userId() && row.kind === 'message' ? statusAt(row.seq) : undefined)
  const messages = createCell(
    () => [
      ...rows.items(statusOf),
      ...[...sent.values()].sort((a, b) => a.seq - b.seq).map((message) => ({ ...message, own: true, status: statusAt(message.seq) })),
      ...outbox.items(id),
    ],
    events.report,
  )
  return {
    messages,
    low: () => rows.low,
    last: () => rows.last,
    append(entries, from) {
      rows.append(entries, from)
      // A bot that runs for months shows nothing to anybody; a page keeps what somebody may be scrolled to.
      if (!messages.watched()) rows.trim(KEPT_ROWS)
      for (const [msgId, { seq }] of sent) if (seq <= rows.last) sent.delete(msgId)
      messages.changed()
    },
    prepend(entries) {
      const shown = rows.prepend(entries)
      messages.changed()
      return shown
    },
    committed(message) {
      if (message.seq <= rows.last) return
      sent.set(message.msgId, message)
      // A dormant conversation never gets the entry; what a page shows of it stays bounded.
      if (sent.size > KEPT_SENT) sent.delete(sent.keys().next().value!)
    },
    changed: messages.changed,
    clear() {
      rows.clear()
      sent.clear()
    },
  }
}
