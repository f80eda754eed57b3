import { isContentOf, place } from './check-log.js'
import { groupBy, type Acknowledged, type Attempt, type LoggedEntry, type Violation } from './history.js'

interface AcknowledgedAttempt extends Attempt {
  readonly endedAt: number
  readonly outcome: Acknowledged
}

/** What writers were told, against what is stored. */
export function checkAcknowledgements(attempts: readonly Attempt[], log: readonly LoggedEntry[]): Violation[] {
  const stored = groupBy(log, (entry) => entry.msgId)
  const found: Violation[] = []
  for (const [msgId, tries] of groupBy(attempts, (attempt) => attempt.msgId)) {
    const acknowledged = tries.filter(isAcknowledged)
    for (const attempt of acknowledged) found.push(...checkOne(attempt, stored.get(msgId) ?? []))
    const fresh = acknowledged.filter((attempt) => !attempt.outcome.duplicate)
    if (fresh.length > 1)
      found.push({
        rule: 'new-twice',
        detail: `${msgId} was acknowledged as new ${fresh.length} times, by ${fresh.map(writerOf).join(' and ')}`,
      })
    found.push(...checkRefusals(tries, acknowledged))
  }
  found.push(...checkOrder(attempts))
  return found
}

function checkOne(attempt: AcknowledgedAttempt, entries: readonly LoggedEntry[]): Violation[] {
  const { msgId, outcome } = attempt
  const told = `${msgId} was acknowledged to ${attempt.writer} as ${place({ ...attempt, seq: outcome.seq })}/${outcome.ord}`
  if (entries.length === 0) return [{ rule: 'lost-acknowledged', detail: `${told} and is not stored` }]
  const same = entries.some(
    (entry) =>
      isContentOf(entry, attempt) && entry.seq === outcome.seq && entry.ord === outcome.ord && entry.timestamp === outcome.timestamp,
  )
  if (same) return []
  const there = entries.map((entry) => `${place(entry)}/${entry.ord}`).join(' and ')
  return [{ rule: 'wrong-acknowledgement', detail: `${told} and is stored as ${there}` }]
}

/**
 * A retry of something acknowledged is never refused for good, and an id clash is told only where contents differ. A refusal while
 * another attempt was under way proves nothing: that one may have committed later.
 */
function checkRefusals(tries: readonly Attempt[], acknowledged: readonly AcknowledgedAttempt[]): Violation[] {
  return tries.flatMap((attempt): Violation[] => {
    const { outcome } = attempt
    if (outcome === undefined || outcome.ok || !outcome.final) return []
    const alike = (other: Attempt): boolean => other.content === attempt.content && other.conversationId === attempt.conversationId
    const before = acknowledged.find((other) => alike(other) && other.endedAt < attempt.startedAt)
    const clash = outcome.code === 'MSG_ID_CONFLICT' && tries.every(alike)
    if (before === undefined && !clash) return []
    const why = before === undefined ? 'and every attempt was the same' : `after ${before.writer} had its acknowledgement`
    return [{ rule: 'refused-committed', detail: `${attempt.msgId} was refused to ${attempt.writer} with ${outcome.code} ${why}` }]
  })
}

/** What began after an acknowledgement has a higher seq than the acknowledged: commit order is seq order, over all writers. */
function checkOrder(attempts: readonly Attempt[]): Violation[] {
  const found: Violation[] = []
  for (const [conversationId, tries] of groupBy(attempts, (attempt) => attempt.conversationId)) {
    // Whichever attempt was stored, it was not stored before the first of them began.
    const began = new Map<string, number>()
    for (const { msgId, startedAt } of tries) began.set(msgId, Math.min(startedAt, began.get(msgId) ?? Number.POSITIVE_INFINITY))
    const acknowledged = tries.filter(isAcknowledged)
    const byEnd = [...acknowledged].sort((a, b) => a.endedAt - b.endedAt)
    const byBegin = acknowledged
      .map((attempt) => ({ attempt, begin: began.get(attempt.msgId) as number }))
      .sort((a, b) => a.begin - b.begin)
    let next = 0
    let highest: AcknowledgedAttempt | undefined
    for (const { attempt, begin } of byBegin) {
      for (let ended = byEnd[next]; ended !== undefined && ended.endedAt < begin; ended = byEnd[++next])
        if (highest === undefined || ended.outcome.seq > highest.outcome.seq) highest = ended
      if (highest === undefined || attempt.outcome.seq > highest.outcome.seq) continue
      const later = `${attempt.msgId} of ${attempt.writer} got ${attempt.outcome.seq}`
      found.push({
        rule: 'out-of-order',
        detail: `${conversationId}: ${later} although ${highest.msgId} had been acknowledged as ${highest.outcome.seq} before it began`,
      })
    }
  }
  return found
}

export const isAcknowledged = (attempt: Attempt): attempt is AcknowledgedAttempt =>
  attempt.outcome?.ok === true && attempt.endedAt !== undefined
const writerOf = (attempt: Attempt): string => attempt.writer
