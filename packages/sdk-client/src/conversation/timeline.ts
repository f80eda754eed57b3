import type { ChatMessage } from '@innerline/protocol'
import type { MessageStatus, TimelineItem } from '../api/message.js'
import { present } from '../present.js'
import { isChange, isShown, patched } from './entries.js'

const KEPT_CHANGES = 1_000

/** The entries of one conversation that are in memory: exactly those in `(low, last]`. */
export interface Rows {
  readonly low: number
  readonly last: number
  /** Adds entries from `from + 1` on. Where that leaves a hole to the older ones, they go: only an unbroken run is shown. */
  append(entries: readonly ChatMessage[], from: number): void
  /** Adds older entries, if they are an unbroken run that ends at `low`; answers what is shown of them. */
  prepend(entries: readonly ChatMessage[]): readonly ChatMessage[]
  /** Forgets everything, recalls included: the log is another one now. */
  clear(): void
  /** Lets go of all but the newest `keep` once there are twice as many. */
  trim(keep: number): void
  /** What a page shows, ascending. Items keep their identity until they change. */
  items(statusOf: (row: ChatMessage) => MessageStatus | undefined): TimelineItem[]
}

/** Keeps rows and lays recalls and edits over their targets, whichever comes first. */
export function createRows(): Rows {
  let low = 0
  let rows: ChatMessage[] = []
  const changes = new Map<string, ChatMessage>()
  const shown = new WeakMap<ChatMessage, TimelineItem>()

  const learn = (entry: ChatMessage) => {
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
    get last() {
      return low + rows.length
    },
    append(entries, from) {
      if (from !== low + rows.length) {
        low = from
        rows = []
      }
      for (const entry of entries) {
        rows.push(overlay(entry))
        learn(entry)
      }
    },
    prepend(entries) {
      const below = low - entries.length
      if (!entries.every(({ seq }, index) => seq === below + 1 + index)) return []
      low = below
      rows = [...entries, ...rows]
      entries.forEach(learn)
      rows = rows.map(overlay)
      return rows.slice(0, entries.length)
    },
    trim(keep) {
      if (rows.length <= 2 * keep) return
      const gone = rows.length - keep
      rows = rows.slice(gone)
      low += gone
    },
    clear() {
      low = 0
      rows = []
      changes.clear()
    },
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
