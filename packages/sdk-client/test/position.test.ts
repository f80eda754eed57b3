import type { ChatMessage } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BACKLOG_LIMIT,
  HOLD_LIMIT,
  NOWHERE,
  type Position,
  type PositionEvent,
  PULL_LIMIT,
  pullAfter,
  step,
  syncOf,
} from '../src/conversation/position.js'

const entry = (seq: number): ChatMessage => ({
  conversationId: 'g~1',
  chatType: 'group',
  seq,
  ord: seq,
  msgId: `m${seq}`,
  fromUserId: 'bob',
  timestamp: seq,
  kind: 'message',
  body: { type: 'text', text: String(seq) },
})
const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => entry(from + i))
const page = (after: number, to: number, hasMore = false, floor = 1): PositionEvent => ({
  type: 'page',
  after,
  messages: range(Math.max(after + 1, floor), to),
  hasMore,
  floor,
})
const frame = (seq: number): PositionEvent => ({ type: 'frame', message: entry(seq) })

const STATES = {
  dormant: { ...NOWHERE, last: 5, head: 5 },
  pulling: { ...NOWHERE, opened: true, pulling: true, last: 5, head: 9 },
  live: { ...NOWHERE, opened: true, last: 5, head: 5 },
  holding: { ...NOWHERE, opened: true, last: 5, head: 7, held: new Map([[7, entry(7)]]) },
  doubted: { ...NOWHERE, opened: true, last: 5, head: 5, doubted: true },
} satisfies Record<string, Position>

const EVENTS = {
  open: { type: 'open' },
  close: { type: 'close' },
  next: frame(6),
  old: frame(5),
  ahead: frame(8),
  head: { type: 'head', seq: 9 },
  sameHead: { type: 'head', seq: 5 },
  page: page(5, 9),
  emptyPage: page(5, 5),
  overdue: { type: 'overdue' },
  doubt: { type: 'doubt' },
  unsure: { type: 'unsure' },
  reset: { type: 'reset' },
} satisfies Record<string, PositionEvent>

/** `sync last: effects`; an apply names its seqs. */
const TABLE: Record<keyof typeof STATES, Record<keyof typeof EVENTS, string>> = {
  dormant: {
    open: 'pulling 5: pull',
    close: 'dormant 5:',
    next: 'dormant 5:',
    old: 'dormant 5:',
    ahead: 'dormant 5:',
    head: 'dormant 5:',
    sameHead: 'dormant 5:',
    page: 'dormant 5:',
    emptyPage: 'dormant 5:',
    overdue: 'dormant 5:',
    doubt: 'dormant 5:',
    unsure: 'dormant 5:',
    reset: 'dormant 0:',
  },
  pulling: {
    open: 'pulling 5:',
    close: 'dormant 5:',
    next: 'pulling 6: apply 6',
    old: 'pulling 5:',
    ahead: 'pulling 5:',
    head: 'pulling 5:',
    sameHead: 'pulling 5:',
    page: 'live 9: apply 6,7,8,9',
    emptyPage: 'pulling 5: pullLater',
    overdue: 'pulling 5:',
    doubt: 'pulling 5:',
    unsure: 'pulling 5:',
    reset: 'pulling 0: pull',
  },
  live: {
    open: 'live 5:',
    close: 'dormant 5:',
    next: 'live 6: apply 6',
    old: 'live 5:',
    ahead: 'pulling 5: hold',
    head: 'pulling 5: pull',
    sameHead: 'live 5:',
    page: 'live 9: apply 6,7,8,9',
    emptyPage: 'live 5:',
    overdue: 'live 5:',
    doubt: 'pulling 5:',
    unsure: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  holding: {
    open: 'pulling 5:',
    close: 'dormant 5:',
    next: 'live 7: apply 6,7',
    old: 'pulling 5:',
    ahead: 'pulling 5: hold',
    head: 'pulling 5: pull',
    sameHead: 'pulling 5: pull',
    page: 'live 9: apply 6,7,8,9',
    emptyPage: 'pulling 5: pullLater',
    overdue: 'pulling 5: pull',
    doubt: 'pulling 5:',
    unsure: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  doubted: {
    open: 'pulling 5:',
    close: 'dormant 5:',
    next: 'pulling 6: apply 6',
    old: 'pulling 5:',
    ahead: 'pulling 5:',
    head: 'pulling 5: pull',
    sameHead: 'live 5:',
    page: 'pulling 9: apply 6,7,8,9',
    emptyPage: 'pulling 5:',
    overdue: 'pulling 5:',
    doubt: 'pulling 5:',
    unsure: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
}

const told = (state: Position, event: PositionEvent) => {
  const [next, effects] = step(state, event)
  const done = effects.map((effect) => (effect.type === 'apply' ? `apply ${effect.rows.map(({ seq }) => seq)}` : effect.type))
  return `${syncOf(next)} ${next.last}: ${done.join(' ')}`.trim()
}

describe('the position of a conversation', () => {
  for (const [from, state] of Object.entries(STATES)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      it(`${from} + ${name}`, () => {
        expect(told(state, event)).toBe(TABLE[from as keyof typeof STATES][name as keyof typeof EVENTS])
      })
    }
  }

  it('jumps over a long backlog and leaves the rest below `low`', () => {
    const head = BACKLOG_LIMIT + 500
    const [state] = step({ ...NOWHERE, head }, { type: 'open' })
    expect(pullAfter(state)).toBe(head - PULL_LIMIT)
    const [live, effects] = step(state, page(head - PULL_LIMIT, head))
    expect(live).toMatchObject({ low: head - PULL_LIMIT, last: head })
    expect(effects[0]).toMatchObject({ type: 'apply', expected: 0, low: head - PULL_LIMIT, last: head, dropped: true })
    expect(syncOf(live)).toBe('live')
  })
  it('reads a backlog of exactly the limit through', () => {
    expect(pullAfter({ ...NOWHERE, head: BACKLOG_LIMIT })).toBe(0)
  })
  it('takes what lies below the floor as gone', () => {
    const [state] = step({ ...NOWHERE, opened: true, pulling: true, last: 3, head: 12 }, page(3, 12, false, 10))
    expect(state).toMatchObject({ low: 9, last: 12, floor: 10 })
    expect(syncOf(state)).toBe('live')
  })
  it('does not step over a hole inside a page', () => {
    const broken: PositionEvent = { type: 'page', after: 5, messages: [entry(6), entry(8), entry(9)], hasMore: false, floor: 1 }
    const [state, effects] = step({ ...STATES.pulling }, broken)
    expect(state.last).toBe(6)
    expect(effects.map(({ type }) => type)).toEqual(['apply', 'pull'])
  })
  it('takes older entries only where they join what is held', () => {
    const state = { ...NOWHERE, opened: true, low: 10, last: 12, head: 12 }
    expect(step(state, { type: 'older', low: 10, messages: range(6, 10), floor: 1 })[0].low).toBe(5)
    expect(step(state, { type: 'older', low: 10, messages: range(6, 9), floor: 1 })[0].low).toBe(10)
    const broken = [...range(5, 6), ...range(8, 10)]
    expect(step(state, { type: 'older', low: 10, messages: broken, floor: 1 })[0].low).toBe(10)
  })
  it('holds a bounded number of frames and pulls instead', () => {
    let state: Position = STATES.live
    let pulls = 0
    for (let seq = 7; seq < 7 + 3 * HOLD_LIMIT; seq++) {
      const [next, effects] = step(state, frame(seq))
      state = next
      pulls += effects.filter(({ type }) => type === 'pull').length
      expect(state.held.size).toBeLessThanOrEqual(HOLD_LIMIT + 1)
    }
    expect(pulls).toBe(1)
    expect(syncOf(state)).toBe('pulling')
  })

  type Move =
    | { readonly move: 'grow'; readonly by: number }
    | { readonly move: 'frame' | 'stale'; readonly back: number }
    | { readonly move: 'answer'; readonly size: number }
    | { readonly move: 'overdue' | 'lag' | 'head' | 'toggle' }
  const anyMove: fc.Arbitrary<Move> = fc.oneof(
    fc.record({ move: fc.constant('grow' as const), by: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ move: fc.constantFrom('frame' as const, 'stale' as const), back: fc.integer({ min: 0, max: 80 }) }),
    fc.record({ move: fc.constant('answer' as const), size: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ move: fc.constantFrom('overdue' as const, 'lag' as const, 'head' as const, 'toggle' as const) }),
  )

  it('applies every seq once, ascending, whatever frames and pages do, and ends live', () => {
    fc.assert(
      fc.property(fc.array(anyMove, { maxLength: 120 }), (moves) => {
        let log = 0
        let state: Position = NOWHERE
        /** `after` of the pull the runner would have under way. */
        let asked: number | undefined
        const applied: number[] = []
        const feed = (event: PositionEvent) => {
          const before = state
          const [next, effects] = step(state, event)
          state = next
          for (const effect of effects) {
            if (effect.type === 'apply') {
              expect(effect.expected).toBe(before.last)
              expect(effect.rows[0]?.seq).toBe(before.last + 1)
              applied.push(...effect.rows.map(({ seq }) => seq))
              expect(effect.last).toBe(applied.at(-1))
            }
            if (effect.type === 'pull' || effect.type === 'pullLater') asked = pullAfter(state)
          }
          if (!state.opened) asked = undefined
          for (const seq of state.held.keys()) expect(seq).toBeGreaterThan(state.last + 1)
          // Live means: everything seen anywhere is held.
          if (syncOf(state) === 'live') expect(state.last).toBe(state.head)
        }
        const answer = (size: number) => {
          if (asked === undefined) return
          const after = asked
          asked = undefined
          const to = Math.min(log, after + size)
          feed(page(after, to, to < log))
        }
        for (const move of moves) {
          if (move.move === 'grow') log += move.by
          else if (move.move === 'frame' || move.move === 'stale') {
            const seq = move.move === 'frame' ? log - Math.min(move.back, 3) : log - move.back
            if (seq > 0) feed(frame(seq))
          } else if (move.move === 'answer') answer(move.size)
          else if (move.move === 'overdue') feed({ type: 'overdue' })
          else if (move.move === 'lag') feed({ type: 'doubt' })
          else if (move.move === 'head') feed({ type: 'head', seq: log })
          else feed({ type: state.opened ? 'close' : 'open' })
        }
        feed({ type: 'open' })
        feed({ type: 'head', seq: log })
        for (let i = 0; asked !== undefined && i < 1_000; i++) answer(200)
        expect(syncOf(state)).toBe('live')
        expect(applied).toEqual(Array.from({ length: log }, (_, i) => i + 1))
      }),
      { numRuns: 500 },
    )
  })
})
