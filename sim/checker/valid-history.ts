import fc from 'fast-check'
import type { Attempt, CursorObservation, FeedHistory, FinalHead, History, LoggedEntry } from './history.js'

/** One step of a world that keeps the promise, drawn by fast-check. */
type Step =
  | {
      readonly do: 'send'
      readonly conversation: number
      readonly countable: boolean
      readonly answer: 'told' | 'lost'
      readonly length: number
    }
  | { readonly do: 'retry'; readonly which: number; readonly length: number }
  | { readonly do: 'ack'; readonly conversation: number; readonly delivered: number; readonly read: number; readonly length: number }
  | { readonly do: 'refuse'; readonly conversation: number }

const length = fc.integer({ min: 1, max: 30 })
const conversation = fc.nat(2)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      conversation,
      countable: fc.boolean(),
      answer: fc.constantFrom('told' as const, 'told' as const, 'lost' as const),
      length,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retry' as const), which: fc.nat(1_000), length }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('ack' as const), conversation, delivered: fc.nat(1_000), read: fc.nat(1_000), length }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), conversation }) },
)

/** Histories that a log which keeps the promise can produce, with overlapping attempts, lost answers, retries and late changes. */
export const validHistory: fc.Arbitrary<History> = fc
  .record({ steps: fc.array(step, { minLength: 1, maxLength: 60 }), start: fc.nat(60) })
  .map(play)

/** As above, with at least two acknowledged entries in one conversation and one cursor that has moved. */
export const eventfulHistory = validHistory.filter(
  ({ log, attempts, cursors }) =>
    log.filter((entry) => entry.conversationId === 'g~0').length >= 2 &&
    log.every((entry) => attempts.some((attempt) => attempt.msgId === entry.msgId && attempt.outcome?.ok)) &&
    cursors.some(({ readSeq }) => readSeq > 0),
)

/** The world commits each step at one instant; attempts reach from before that instant to after it, so that they overlap. */
function play({ steps, start }: { steps: readonly Step[]; start: number }): History {
  const attempts: Attempt[] = []
  const log: LoggedEntry[] = []
  const cursors: CursorObservation[] = []
  const heads = new Map<string, { headSeq: number; headOrd: number }>()
  const position = new Map<string, { deliveredSeq: number; readSeq: number }>()
  const changes: FeedHistory['changes'][number][] = []
  let startHeads: Record<string, number> = {}
  let firstChange = 0
  for (const [index, each] of steps.entries()) {
    const at = (index + 1) * 10
    if (index === start) {
      startHeads = Object.fromEntries([...heads].map(([id, head]) => [id, head.headSeq]))
      firstChange = changes.length
    }
    if (each.do === 'send') {
      const conversationId = `g~${each.conversation}`
      const head = heads.get(conversationId) ?? { headSeq: 0, headOrd: 0 }
      heads.set(conversationId, head)
      head.headSeq++
      if (each.countable) head.headOrd++
      const sent = { conversationId, msgId: `m${index}`, fromUserId: 'u', content: `text ${index}`, countable: each.countable }
      const outcome = { ok: true, seq: head.headSeq, ord: head.headOrd, timestamp: at, duplicate: false } as const
      log.push({ ...sent, seq: head.headSeq, ord: head.headOrd, timestamp: at })
      changes.push({ id: changes.length + 1, kind: 'entries', conversationId, firstSeq: head.headSeq, lastSeq: head.headSeq })
      const told = each.answer === 'told' ? { endedAt: at + each.length, outcome } : {}
      attempts.push({ writer: 'w', ...sent, startedAt: at - each.length, ...told })
    } else if (each.do === 'retry' && log.length > 0) {
      const { seq, ord, timestamp, ...sent } = log[each.which % log.length] as LoggedEntry
      attempts.push({
        ...{ writer: 'other', ...sent, startedAt: at - each.length, endedAt: at + each.length },
        outcome: { ok: true, seq, ord, timestamp, duplicate: true },
      })
    } else if (each.do === 'ack') {
      const conversationId = `g~${each.conversation}`
      const end = heads.get(conversationId)?.headSeq ?? 0
      const now = position.get(conversationId) ?? { deliveredSeq: 0, readSeq: 0 }
      const asked = { deliveredSeq: Math.min(each.delivered, end), readSeq: Math.min(each.read, end) }
      const readSeq = Math.max(now.readSeq, asked.readSeq)
      const moved = { deliveredSeq: Math.max(now.deliveredSeq, asked.deliveredSeq, readSeq), readSeq }
      position.set(conversationId, moved)
      cursors.push({ userId: 'u', conversationId, startedAt: at - each.length, endedAt: at + each.length, ...moved, asked })
    } else if (each.do === 'refuse') {
      attempts.push({
        ...{ writer: 'w', conversationId: `g~${each.conversation}`, msgId: `m${index}`, fromUserId: 'u', content: 'x', countable: true },
        ...{ startedAt: at - 1, endedAt: at + 1, outcome: { ok: false, code: 'MUTED', final: true } as const },
      })
    }
  }
  const late = start >= steps.length ? [] : [{ reader: 'late', startHeads, changes: changes.slice(firstChange) }]
  const finalHeads: FinalHead[] = [...heads].map(([conversationId, head]) => ({ conversationId, ...head }))
  const byConversation = [...log].sort((a, b) =>
    a.conversationId < b.conversationId ? -1 : a.conversationId > b.conversationId ? 1 : a.seq - b.seq,
  )
  return { attempts, log: byConversation, heads: finalHeads, readers: [{ reader: 'first', startHeads: {}, changes }, ...late], cursors }
}
