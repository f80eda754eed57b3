import { groupBy, type Attempt, type FinalHead, type LoggedEntry, type Violation } from './history.js'

/** The log by itself: dense seqs, ords that count, times that never fall, heads that agree, and nothing that nobody sent. */
export function checkLog(log: readonly LoggedEntry[], heads: readonly FinalHead[], attempts: readonly Attempt[]): Violation[] {
  const found: Violation[] = []
  const logs = groupBy(log, (entry) => entry.conversationId)
  for (const [conversationId, entries] of logs) found.push(...checkConversation(conversationId, entries))
  for (const head of heads) {
    const last = logs.get(head.conversationId)?.at(-1)
    if (head.headSeq === (last?.seq ?? 0) && head.headOrd === (last?.ord ?? 0)) continue
    const detail = `${head.conversationId}: the head says ${head.headSeq}/${head.headOrd}, the log ends at ${last?.seq ?? 0}/${last?.ord ?? 0}`
    found.push({ rule: 'log-head', detail })
  }
  const known = new Set(heads.map((head) => head.conversationId))
  for (const conversationId of logs.keys())
    if (!known.has(conversationId)) found.push({ rule: 'log-head', detail: `${conversationId} has entries and no head` })
  found.push(...checkIds(log), ...checkContents(log, attempts))
  return found
}

function checkConversation(conversationId: string, entries: readonly LoggedEntry[]): Violation[] {
  const found: Violation[] = []
  let ord = 0
  let timestamp = 0
  for (const [index, entry] of entries.entries()) {
    const at = `${conversationId}: entry ${entry.seq} (${entry.msgId})`
    if (entry.seq !== index + 1) found.push({ rule: 'log-hole', detail: `${at} is where ${index + 1} belongs` })
    if (entry.countable) ord++
    if (entry.ord !== ord) found.push({ rule: 'log-ord', detail: `${at} has ord ${entry.ord}, counting gives ${ord}` })
    if (entry.timestamp < timestamp)
      found.push({ rule: 'log-time', detail: `${at} is at ${entry.timestamp}, its predecessor at ${timestamp}` })
    timestamp = entry.timestamp
  }
  return found
}

function checkIds(log: readonly LoggedEntry[]): Violation[] {
  const first = new Map<string, LoggedEntry>()
  const found: Violation[] = []
  for (const entry of log) {
    const other = first.get(entry.msgId)
    if (other === undefined) first.set(entry.msgId, entry)
    else found.push({ rule: 'two-seqs', detail: `${entry.msgId} is stored as ${place(other)} and as ${place(entry)}` })
  }
  return found
}

/** An entry must be what one of its attempts sent; with ids that clash on purpose, any of them. */
function checkContents(log: readonly LoggedEntry[], attempts: readonly Attempt[]): Violation[] {
  const byId = groupBy(attempts, (attempt) => attempt.msgId)
  return log.flatMap((entry): Violation[] => {
    const sent = byId.get(entry.msgId)
    if (sent === undefined) return [{ rule: 'foreign-entry', detail: `${place(entry)} holds ${entry.msgId}, which nobody sent` }]
    if (sent.some((attempt) => isContentOf(entry, attempt))) return []
    return [{ rule: 'changed-content', detail: `${place(entry)} holds ${entry.msgId} with other content than was sent` }]
  })
}

/** Whether the entry stores exactly what the attempt sent. */
export const isContentOf = (entry: LoggedEntry, attempt: Attempt): boolean =>
  entry.conversationId === attempt.conversationId &&
  entry.fromUserId === attempt.fromUserId &&
  entry.content === attempt.content &&
  entry.countable === attempt.countable

export const place = ({ conversationId, seq }: { conversationId: string; seq: number }): string => `${conversationId}#${seq}`
