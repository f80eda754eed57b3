import { checkAcknowledgements, isAcknowledged } from './check-acknowledgements.js'
import { checkCursors } from './check-cursors.js'
import { checkFeed } from './check-feed.js'
import { checkLog } from './check-log.js'
import type { History, Violation } from './history.js'

export * from './history.js'
export { checkDevices, checkEvents, checkUnread, type Truth } from './check-devices.js'
export { attemptsOf, checkOrigins, checkSends } from './check-sends.js'
export { checkCursors } from './check-cursors.js'

export interface Verdict {
  readonly violations: readonly Violation[]
  readonly figures: Figures
}

export interface Figures {
  readonly entries: number
  readonly attempts: number
  readonly acknowledged: number
  /** Acknowledged as already stored. */
  readonly duplicates: number
  /** Ended without a word on whether it was stored. */
  readonly doubtful: number
  /** Stored although no attempt was acknowledged: allowed, as no answer is no promise either way. */
  readonly storedUnacknowledged: number
  readonly changes: number
  readonly cursorObservations: number
}

/** Whether what was seen can have come from a log that keeps the promise. Pure; a history is judged as a whole, after the run. */
export function checkHistory(history: History): Verdict {
  const { attempts, log, heads, readers, cursors } = history
  const violations = [
    ...checkLog(log, heads, attempts),
    ...checkAcknowledgements(attempts, log),
    ...checkFeed(readers, heads),
    ...checkCursors(cursors, heads),
  ]
  return { violations, figures: figuresOf(history) }
}

function figuresOf({ attempts, log, readers, cursors }: History): Figures {
  const acknowledged = attempts.filter(isAcknowledged)
  const settled = new Set(acknowledged.map((attempt) => attempt.msgId))
  return {
    entries: log.length,
    attempts: attempts.length,
    acknowledged: acknowledged.length,
    duplicates: acknowledged.filter((attempt) => attempt.outcome.duplicate).length,
    doubtful: attempts.filter(({ outcome }) => outcome === undefined || (!outcome.ok && !outcome.final)).length,
    storedUnacknowledged: log.filter((entry) => !settled.has(entry.msgId)).length,
    changes: readers.reduce((sum, reader) => sum + reader.changes.length, 0),
    cursorObservations: cursors.length,
  }
}

/** The violations for people: how many of each rule, and the first of each. */
export function describeViolations(violations: readonly Violation[]): string {
  const byRule = new Map<string, Violation[]>()
  for (const violation of violations) byRule.set(violation.rule, [...(byRule.get(violation.rule) ?? []), violation])
  return [...byRule].map(([rule, all]) => `${rule} × ${all.length}: ${all[0]?.detail}`).join('\n')
}
