import type { ChatMessage } from '@innerline/protocol'
import type { MessageStatus, TimelineItem } from '../api/message.js'
import { present } from '../present.js'
import { isChange, isShown, patched } from './entries.js'

const KEPT_CHANGES = 1_000

/** The entries of one conversation that are in memory: exactly those in `(low, low + rows]`. */
export interface Rows {
  readonly low: number
  append(entries: readonly ChatMessage[], low: number, dropped: boolean): void
  prepend(entries: readonly ChatMessage[], low: number): void
  /** Forgets everything, recalls included: the log is another one now. */
  clear(): void
  /** Lets go of all but the newest `keep` once there are twice as many. */
  trim(keep: number): void
  has(msgId: string): boolean
  /** What a page shows, ascending. Items keep their identity until they change. */
  items(statusOf: (row: ChatMessage) => MessageStatus | undefined): TimelineItem[]
}

/** Keeps rows and lays recalls and edits over their targets, whichever comes first. */
export function createRows(): Rows {
  let low = 0
  let rows: ChatMessage[] = []
  const held = new Set<string>()
  const changes = new Map<string, ChatMessage>()
  const shown = new WeakMap<ChatMessage, TimelineItem>()

  const learn = (entry: ChatMessage) => {
    held.add(entry.msgId)
    const { target } = entry
    if (!isChange(entry) || target === undefined) return
    const known = changes.get(target)
    // Of several only the last word counts, and a recall is the last word.
    if (!known || (known.kind !== 'recall' && (entry.kind === 'recall' || entry.seq > known.seq))) changes.set(target, entry)
    // Pages read from now on carry the old ones in their targets.
    if (changes.size > KEPT_CHANGES) changes.delete(changes.keys().next().value!)
    rows = rows.map(overlay)
  }
  /** What changes nothing keeps its identity. */
  const overlay = (entry: ChatMessage) => {
    const change = changes.get(entry.msgId)
    return change ? patched(entry, change) : entry
  }
  return {
    get low() {
      return low
    },
    append(entries, newLow, dropped) {
      if (dropped) {
        low = newLow
        rows = []
        held.clear()
      }
      for (const entry of entries) {
        rows.push(overlay(entry))
        learn(entry)
      }
    },
    prepend(entries, newLow) {
      low = newLow
      rows = [...entries, ...rows]
      entries.forEach(learn)
      rows = rows.map(overlay)
    },
    trim(keep) {
      if (rows.length <= 2 * keep) return
      const gone = rows.length - keep
      for (const { msgId } of rows.slice(0, gone)) held.delete(msgId)
      rows = rows.slice(gone)
      low += gone
    },
    clear() {
      low = 0
      rows = []
      held.clear()
      changes.clear()
    },
    has: (msgId) => held.has(msgId),
    items: (statusOf) =>
      rows.filter(isShown).map((row) => {
        const status = statusOf(row)
        const known = shown.get(row)
        if (known && known.status === status) return known
        const item: TimelineItem = { ...row, own: status !== undefined, ...present({ status }) }
        shown.set(row, item)
        return item
      }),
  }
}
