import { groupBy, type CursorObservation, type FinalHead, type Violation } from './history.js'

const SIDES = ['deliveredSeq', 'readSeq'] as const

/** Cursors only move forward, an answered move is never undone, and none is beyond the log. */
export function checkCursors(observations: readonly CursorObservation[], heads: readonly FinalHead[]): Violation[] {
  const ends = new Map(heads.map((head) => [head.conversationId, head.headSeq]))
  const found: Violation[] = []
  for (const group of groupBy(observations, ({ userId, conversationId }) => `${userId} in ${conversationId}`).values())
    for (const side of SIDES) found.push(...checkForward(group, side))
  for (const seen of observations) {
    const { deliveredSeq, readSeq, conversationId, asked } = seen
    const end = ends.get(conversationId) ?? 0
    if (deliveredSeq > end || readSeq > deliveredSeq)
      found.push({ rule: 'cursor-beyond', detail: `${show(seen)}, the log ends at ${end} and what is read is delivered` })
    if (asked !== undefined && SIDES.some((side) => seen[side] < asked[side]))
      found.push({ rule: 'cursor-ignored', detail: `${show(seen)} answers a move to ${asked.deliveredSeq}/${asked.readSeq}` })
  }
  return found
}

/** An observation that began after another had ended shows at least as much. */
function checkForward(group: readonly CursorObservation[], side: (typeof SIDES)[number]): Violation[] {
  const found: Violation[] = []
  const byEnd = [...group].sort((a, b) => a.endedAt - b.endedAt)
  let next = 0
  let furthest: CursorObservation | undefined
  for (const seen of [...group].sort((a, b) => a.startedAt - b.startedAt)) {
    for (let ended = byEnd[next]; ended !== undefined && ended.endedAt < seen.startedAt; ended = byEnd[++next])
      if (furthest === undefined || ended[side] > furthest[side]) furthest = ended
    if (furthest !== undefined && seen[side] < furthest[side])
      found.push({ rule: 'cursor-backward', detail: `${show(seen)}, ${side} was ${furthest[side]} before, as ${howSeen(furthest, side)}` })
  }
  return found
}

const howSeen = (seen: CursorObservation, side: (typeof SIDES)[number]): string => {
  if (seen.asked === undefined) return 'a read showed'
  return seen.asked[side] === seen[side] ? 'the answer to a move to it said' : 'the answer to a move to less said'
}

const show = ({ userId, conversationId, deliveredSeq, readSeq }: CursorObservation): string =>
  `${userId} in ${conversationId} is at ${deliveredSeq}/${readSeq}`
