import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkHistory, describeViolations, type Acknowledged, type Attempt, type History, type LoggedEntry, type Rule } from './index.js'
import { eventfulHistory, validHistory } from './valid-history.js'

const rulesOf = (history: History): Rule[] => [...new Set(checkHistory(history).violations.map(({ rule }) => rule))]

const conversationId = 'g~team'
const entry = (seq: number, fields: Partial<LoggedEntry> = {}): LoggedEntry => ({
  ...{ conversationId, seq, ord: seq, msgId: `m${seq}`, fromUserId: 'ana', content: `text ${seq}`, countable: true, timestamp: seq * 10 },
  ...fields,
})
const told = (seq: number, fields: Partial<Acknowledged> = {}): Acknowledged => ({
  ...{ ok: true, seq, ord: seq, timestamp: seq * 10, duplicate: false },
  ...fields,
})
/** An acknowledged attempt of `entry(seq)`, from `seq * 10 - 5` to `seq * 10 + 2`. */
const attempt = (seq: number, fields: Partial<Attempt> = {}): Attempt => {
  const { msgId, fromUserId, content, countable } = entry(seq)
  return {
    ...{ writer: 'w1', conversationId, msgId, fromUserId, content, countable },
    ...{ startedAt: seq * 10 - 5, endedAt: seq * 10 + 2, outcome: told(seq) },
    ...fields,
  }
}
const change = (id: number, firstSeq = id, lastSeq = firstSeq) => ({ id, kind: 'entries' as const, conversationId, firstSeq, lastSeq })
/** Three entries that everybody saw rightly. */
const good = (fields: Partial<History> = {}): History => ({
  attempts: [attempt(1), attempt(2), attempt(3)],
  log: [entry(1), entry(2), entry(3)],
  heads: [{ conversationId, headSeq: 3, headOrd: 3 }],
  readers: [{ reader: 'r', startHeads: {}, changes: [change(1), change(2), change(3)] }],
  cursors: [],
  ...fields,
})
const seen = (startedAt: number, deliveredSeq: number, readSeq = 0, asked?: { deliveredSeq: number; readSeq: number }) => ({
  ...{ userId: 'ben', conversationId, startedAt, endedAt: startedAt + 5, deliveredSeq, readSeq, asked },
})

describe('a history that keeps the promise', () => {
  it('passes', () => {
    expect(checkHistory(good())).toMatchObject({ violations: [], figures: { entries: 3, acknowledged: 3, duplicates: 0, changes: 3 } })
    expect(rulesOf(good({ attempts: [], log: [], heads: [], readers: [] }))).toEqual([])
  })

  it('passes whatever overlaps, gets lost and is tried again', () => {
    fc.assert(fc.property(validHistory, (history) => void expect(describeViolations(checkHistory(history).violations)).toBe('')))
  })

  it('passes with what a lost answer leaves open', () => {
    const silent = attempt(3, { endedAt: undefined, outcome: undefined })
    expect(rulesOf(good({ attempts: [attempt(1), attempt(2), silent] }))).toEqual([])
    const doubtful = attempt(4, { outcome: { ok: false, code: 'UNAVAILABLE', final: false } })
    const verdict = checkHistory(good({ attempts: [attempt(1), attempt(2), silent, doubtful] }))
    expect(verdict).toMatchObject({ violations: [], figures: { doubtful: 2, storedUnacknowledged: 1 } })
  })

  it('passes when a refusal crossed an attempt that was stored after it', () => {
    const refused = attempt(1, { startedAt: 6, endedAt: 7, outcome: { ok: false, code: 'MUTED', final: true } })
    expect(rulesOf(good({ attempts: [refused, attempt(1), attempt(2), attempt(3)] }))).toEqual([])
  })

  it('passes when ids clash and the second is told so', () => {
    const clash = attempt(1, {
      writer: 'w2',
      content: 'other',
      startedAt: 90,
      endedAt: 91,
      outcome: { ok: false, code: 'MSG_ID_CONFLICT', final: true },
    })
    expect(rulesOf(good({ attempts: [attempt(1), attempt(2), attempt(3), clash] }))).toEqual([])
  })
})

describe('the log', () => {
  it.each<[string, Partial<History>, Rule]>([
    ['a hole', { log: [entry(1), entry(3)] }, 'log-hole'],
    ['a repeated seq', { log: [entry(1), entry(2), entry(2, { msgId: 'm3' }), entry(3, { msgId: 'm4' })] }, 'log-hole'],
    ['a seq that does not begin at 1', { log: [entry(2), entry(3)] }, 'log-hole'],
    ['an ord that skips', { log: [entry(1), entry(2), entry(3, { ord: 4 })] }, 'log-ord'],
    ['an ord that counts what does not count', { log: [entry(1), entry(2, { countable: false }), entry(3)] }, 'log-ord'],
    ['a timestamp that falls', { log: [entry(1), entry(2), entry(3, { timestamp: 1 })] }, 'log-time'],
    ['a head behind the log', { heads: [{ conversationId, headSeq: 2, headOrd: 2 }] }, 'log-head'],
    ['a head whose ord is wrong', { heads: [{ conversationId, headSeq: 3, headOrd: 2 }] }, 'log-head'],
    ['a head of a conversation without its log', { log: [], attempts: [] }, 'log-head'],
    ['entries without a head', { heads: [] }, 'log-head'],
    ['one msgId twice', { log: [entry(1), entry(2), entry(3, { msgId: 'm1', content: 'text 1' })] }, 'two-seqs'],
    ['an entry that nobody sent', { attempts: [attempt(1), attempt(2)] }, 'foreign-entry'],
    ['another body', { log: [entry(1), entry(2, { content: 'text 3' }), entry(3)] }, 'changed-content'],
    ['another author', { log: [entry(1), entry(2, { fromUserId: 'ben' }), entry(3)] }, 'changed-content'],
  ])('must not have %s', (_, fields, rule) => {
    expect(rulesOf(good(fields))).toContain(rule)
  })
})

describe('acknowledgements', () => {
  it.each<[string, readonly Attempt[], Rule]>([
    ['of what is not stored (ack before commit)', [attempt(4)], 'lost-acknowledged'],
    ['with another seq', [attempt(3, { writer: 'w2', outcome: told(2, { duplicate: true }) })], 'wrong-acknowledgement'],
    ['with another ord', [attempt(3, { writer: 'w2', outcome: told(3, { ord: 2, duplicate: true }) })], 'wrong-acknowledgement'],
    ['with another time', [attempt(3, { writer: 'w2', outcome: told(3, { timestamp: 31, duplicate: true }) })], 'wrong-acknowledgement'],
    [
      'in another conversation',
      [attempt(3, { conversationId: 'g~other', outcome: told(3, { duplicate: true }) })],
      'wrong-acknowledgement',
    ],
    [
      'of other content under the same id',
      [attempt(3, { content: 'other', outcome: told(3, { duplicate: true }) })],
      'wrong-acknowledgement',
    ],
    ['as new, twice', [attempt(3, { writer: 'w2', startedAt: 26 })], 'new-twice'],
    ['taken back by a refusal', [attempt(1, { startedAt: 50, outcome: { ok: false, code: 'MUTED', final: true } })], 'refused-committed'],
    [
      'denied as a clash with itself',
      [attempt(1, { startedAt: 6, endedAt: 7, outcome: { ok: false, code: 'MSG_ID_CONFLICT', final: true } })],
      'refused-committed',
    ],
  ])('must not be given %s', (_, more, rule) => {
    expect(rulesOf(good({ attempts: [attempt(1), attempt(2), attempt(3), ...more] }))).toContain(rule)
  })

  it('must not be given out of order', () => {
    const late = attempt(1, { writer: 'w2', startedAt: 40, endedAt: 41 })
    expect(rulesOf(good({ attempts: [late, attempt(2), attempt(3)] }))).toEqual(['out-of-order'])
    const overlapping = attempt(1, { writer: 'w2', startedAt: 22, endedAt: 41 })
    expect(rulesOf(good({ attempts: [overlapping, attempt(2), attempt(3)] }))).toEqual([])
  })
})

describe('the feed', () => {
  const read = (changes: History['readers'][number]['changes'], startHeads: Record<string, number> = {}) =>
    rulesOf(good({ readers: [{ reader: 'r', startHeads, changes }] }))

  it('must not leave out an entry (id > last)', () => {
    expect(read([change(1), change(3)])).toEqual(['feed-hole'])
    expect(read([])).toEqual(['feed-hole'])
    expect(read([change(1), { ...change(2), kind: 'void' }, change(3)])).toEqual(['feed-hole'])
  })

  it('owes a reader what came after its start, late or not', () => {
    expect(read([change(3)], { [conversationId]: 2 })).toEqual([])
    expect(read([change(2), change(3)], { [conversationId]: 2 })).toEqual([])
    expect(read([change(2)], { [conversationId]: 2 })).toEqual(['feed-hole'])
  })

  it('may come in any order and in ranges', () => {
    expect(read([change(9, 2, 3), change(4, 1), { ...change(5, 0, 0), kind: 'members' }, { ...change(6, 0, 0), kind: 'void' }])).toEqual([])
  })

  it('must not repeat', () => {
    expect(read([change(1), change(2), change(3), change(3)])).toEqual(['feed-repeat'])
    expect(read([change(1, 1, 2), change(2), change(3)])).toEqual(['feed-repeat'])
  })

  it('must not name what is not in the log', () => {
    expect(read([change(1, 1, 3), change(4)])).toEqual(['feed-phantom'])
    expect(read([change(1, 1, 3), { ...change(2), conversationId: 'g~none' }])).toEqual(['feed-phantom'])
    expect(read([change(1, 1, 3), change(2, 0, 0)])).toEqual(['feed-phantom'])
  })
})

describe('cursors', () => {
  const rules = (...cursors: History['cursors']) => rulesOf(good({ cursors }))

  it('must not go backward (read-modify-write)', () => {
    expect(rules(seen(0, 3, 1), seen(10, 2, 1))).toEqual(['cursor-backward'])
    expect(rules(seen(0, 3, 2), seen(10, 3, 1))).toEqual(['cursor-backward'])
    expect(rules(seen(0, 1), seen(2, 3), seen(20, 2))).toEqual(['cursor-backward'])
  })

  it('may be seen either way by overlapping reads', () => {
    expect(rules(seen(0, 3), seen(4, 2))).toEqual([])
    expect(rules(seen(0, 3), { ...seen(10, 2), userId: 'cid' })).toEqual([])
  })

  it('must follow an answered move', () => {
    expect(rules(seen(0, 2, 0, { deliveredSeq: 3, readSeq: 0 }))).toEqual(['cursor-ignored'])
    expect(rules(seen(0, 3, 1, { deliveredSeq: 2, readSeq: 1 }))).toEqual([])
  })

  it('must not pass the end of the log, nor read what was not delivered', () => {
    expect(rules(seen(0, 4))).toEqual(['cursor-beyond'])
    expect(rules(seen(0, 1, 2))).toEqual(['cursor-beyond'])
  })
})

describe('any history that keeps the promise, once one thing in it is changed', () => {
  const replace = <T>(values: readonly T[], index: number, value: T): T[] => values.map((old, i) => (i === index ? value : old))
  const stored = (history: History) => history.attempts.findIndex(({ outcome }) => outcome?.ok === true)
  const raise = (each: Attempt): Attempt => ({
    ...each,
    outcome: { ...(each.outcome as Acknowledged), seq: (each.outcome as Acknowledged).seq + 1 },
  })

  it.each<[string, (history: History) => History]>([
    ['an entry is missing', (history) => ({ ...history, log: history.log.slice(1) })],
    ['an entry is there twice', (history) => ({ ...history, log: [history.log[0] as LoggedEntry, ...history.log] })],
    [
      'two entries have changed places',
      (history) => ({ ...history, log: [history.log[1] as LoggedEntry, history.log[0] as LoggedEntry, ...history.log.slice(2)] }),
    ],
    [
      'an acknowledgement names the next seq',
      (history) => ({
        ...history,
        attempts: replace(history.attempts, stored(history), raise(history.attempts[stored(history)] as Attempt)),
      }),
    ],
    [
      'a change is missing',
      (history) => ({
        ...history,
        readers: history.readers.map((reader, i) => (i === 0 ? { ...reader, changes: reader.changes.slice(1) } : reader)),
      }),
    ],
    [
      'a change comes twice',
      (history) => ({
        ...history,
        readers: history.readers.map((reader) => ({ ...reader, changes: [...reader.changes, ...reader.changes.slice(0, 1)] })),
      }),
    ],
    [
      'a cursor is seen at 0 at the end',
      (history) => ({
        ...history,
        cursors: [
          ...history.cursors,
          {
            ...(history.cursors.find(({ readSeq }) => readSeq > 0) as History['cursors'][number]),
            startedAt: 1e9,
            endedAt: 1e9,
            readSeq: 0,
            asked: undefined,
          },
        ],
      }),
    ],
  ])('fails when %s', (_, plant) => {
    fc.assert(fc.property(eventfulHistory, (history) => void expect(checkHistory(plant(history)).violations).not.toEqual([])))
  })
})

it('tells people how often each rule was broken, and one example of each', () => {
  const { violations } = checkHistory(good({ log: [entry(1)], readers: [] }))
  expect(describeViolations(violations)).toMatch(
    /^log-head × 1: .+\nlost-acknowledged × 2: m2 was acknowledged to w1 as g~team#2\/2 and is not stored$/,
  )
})
