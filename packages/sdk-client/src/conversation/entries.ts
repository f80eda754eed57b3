import type { ChatMessage } from '@innerline/protocol'

/** Whether `entry` is about another entry rather than a line of its own. */
export const isChange = (entry: ChatMessage): boolean => (entry.kind === 'recall' || entry.kind === 'edit') && entry.target !== undefined

/** Whether a timeline shows `entry`; a kind of a newer server is counted, stored and stepped over. */
export const isShown = (entry: ChatMessage): boolean => entry.kind === 'message' || entry.kind === 'system'

/** `row` after the recall or edit `change`; the very same object when that is about another. A recalled text never comes back. */
export function patched(row: ChatMessage, change: ChatMessage): ChatMessage {
  if (row.msgId !== change.target || row.recalledAt !== undefined) return row
  if (change.kind === 'recall') return { ...row, body: null, recalledAt: change.timestamp }
  // A row read after the edit carries it already, or a later one.
  return row.editedAt !== undefined && row.editedAt >= change.timestamp ? row : { ...row, body: change.body, editedAt: change.timestamp }
}
