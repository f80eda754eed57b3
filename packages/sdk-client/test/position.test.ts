import type { ChatMessage } from '@innerline/protocol'
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
import { complete } from './support/complete.js'
import { entry, range } from './support/entries.js'

const page = (after: number, to: number, hasMore = false, floor = 1): PositionEvent & { type: 'page' } => ({
  type: 'page',
  after,
  messages: range(Math.max(after + 1, floor), to),
  hasMore,
  floor,
})
const frame = (seq: number): PositionEvent & { type: 'frame' } => ({ type: 'frame', message: entry(seq) })

/** Every sync state, with each of the reasons that make it. */
const STATES = {
  dormant: { ...NOWHERE, last: 5, head: 5 },
  dormantDoubted: { ...NOWHERE, last: 5, head: 5, doubted: true },
  pulling: { ...NOWHERE, opened: true, pulling: true, last: 5, head: 9 },
  pullingDoubted: { ...NOWHERE, opened: true, pulling: true, last: 5, head: 9, doubted: true },
  live: { ...NOWHERE, opened: true, last: 5, head: 5 },
  holding: { ...NOWHERE, opened: true, last: 5, head: 7, held: [entry(7)] },
  full: { ...NOWHERE, opened: true, last: 5, head: 70, held: range(7, 70) },
  doubted: { ...NOWHERE, opened: true, last: 5, head: 5, doubted: true },
} satisfies Record<string, Position>

const EVENTS = {
  open: { type: 'open' },
  close: { type: 'close' },
  restored: { type: 'restored', last: 5 },
  next: frame(6),
  old: frame(5),
  ahead: frame(8),
  beyond: frame(80),
  head: { type: 'head', seq: 9 },
  sameHead: { type: 'head', seq: 5 },
  floor: { type: 'head', seq: 5, floor: 3 },
  page: page(5, 9),
  firstPage: page(5, 7, true),
  emptyPage: page(5, 5),
  overdue: { type: 'overdue' },
  doubt: { type: 'doubt' },
  named: { type: 'told', named: true },
  unnamed: { type: 'told', named: false },
  reset: { type: 'reset' },
} satisfies Record<string, PositionEvent>

const TABLE: Record<keyof typeof STATES, Record<keyof typeof EVENTS, string>> = {
  dormant: {
    open: 'pulling 5: pull',
    close: 'dormant 5:',
    restored: 'dormant 5:',
    next: 'dormant 5:',
    old: 'dormant 5:',
    ahead: 'dormant 5:',
    beyond: 'dormant 5:',
    head: 'dormant 5:',
    sameHead: 'dormant 5:',
    floor: 'dormant 5:',
    page: 'dormant 5:',
    firstPage: 'dormant 5:',
    emptyPage: 'dormant 5:',
    overdue: 'dormant 5:',
    doubt: 'dormant? 5:',
    named: 'dormant 5:',
    unnamed: 'dormant 5:',
    reset: 'dormant 0:',
  },
  dormantDoubted: {
    open: 'pulling? 5: pull',
    close: 'dormant? 5:',
    restored: 'dormant? 5:',
    next: 'dormant? 5:',
    old: 'dormant? 5:',
    ahead: 'dormant? 5:',
    beyond: 'dormant? 5:',
    head: 'dormant? 5:',
    sameHead: 'dormant? 5:',
    floor: 'dormant? 5:',
    page: 'dormant? 5:',
    firstPage: 'dormant? 5:',
    emptyPage: 'dormant? 5:',
    overdue: 'dormant? 5:',
    doubt: 'dormant? 5:',
    named: 'dormant 5:',
    unnamed: 'dormant 5:',
    reset: 'dormant 0:',
  },
  pulling: {
    open: 'pulling 5:',
    close: 'dormant 5:',
    restored: 'pulling 5:',
    next: 'pulling 6: apply 6',
    old: 'pulling 5:',
    ahead: 'pulling 5:',
    beyond: 'pulling 5:',
    head: 'pulling 5:',
    sameHead: 'pulling 5:',
    floor: 'pulling 5:',
    page: 'live 9: apply 6-9',
    firstPage: 'pulling 7: apply 6-7 pull',
    emptyPage: 'pulling 5: pullLater',
    overdue: 'pulling 5:',
    doubt: 'pulling? 5:',
    named: 'pulling 5:',
    unnamed: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  pullingDoubted: {
    open: 'pulling? 5:',
    close: 'dormant? 5:',
    restored: 'pulling? 5:',
    next: 'pulling? 6: apply 6',
    old: 'pulling? 5:',
    ahead: 'pulling? 5:',
    beyond: 'pulling? 5:',
    head: 'pulling? 5:',
    sameHead: 'pulling? 5:',
    floor: 'pulling? 5:',
    page: 'pulling? 9: apply 6-9',
    firstPage: 'pulling? 7: apply 6-7 pull',
    emptyPage: 'pulling? 5: pullLater',
    overdue: 'pulling? 5:',
    doubt: 'pulling? 5:',
    named: 'pulling 5:',
    unnamed: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  live: {
    open: 'live 5:',
    close: 'dormant 5:',
    restored: 'live 5:',
    next: 'live 6: apply 6',
    old: 'live 5:',
    ahead: 'pulling 5: hold',
    beyond: 'pulling 5: hold',
    head: 'pulling 5: pull',
    sameHead: 'live 5:',
    floor: 'live 5:',
    page: 'live 9: apply 6-9',
    firstPage: 'pulling 7: apply 6-7 pull',
    emptyPage: 'live 5:',
    overdue: 'live 5:',
    doubt: 'pulling? 5:',
    named: 'live 5:',
    unnamed: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  holding: {
    open: 'pulling 5:',
    close: 'dormant 5:',
    restored: 'pulling 5:',
    next: 'live 7: apply 6-7',
    old: 'pulling 5:',
    ahead: 'pulling 5: hold',
    beyond: 'pulling 5: hold',
    head: 'pulling 5: pull',
    sameHead: 'pulling 5: pull',
    floor: 'pulling 5: pull',
    page: 'live 9: apply 6-9',
    firstPage: 'pulling 7: apply 6-7 pull',
    emptyPage: 'pulling 5: pullLater',
    overdue: 'pulling 5: pull',
    doubt: 'pulling? 5:',
    named: 'pulling 5: pull',
    unnamed: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  full: {
    open: 'pulling 5:',
    close: 'dormant 5:',
    restored: 'pulling 5:',
    next: 'live 70: apply 6-70',
    old: 'pulling 5:',
    ahead: 'pulling 5: pull',
    beyond: 'pulling 5: pull',
    head: 'pulling 5: pull',
    sameHead: 'pulling 5: pull',
    floor: 'pulling 5: pull',
    page: 'live 70: apply 6-70',
    firstPage: 'pulling 70: apply 6-70 pull',
    emptyPage: 'pulling 5: pullLater',
    overdue: 'pulling 5: pull',
    doubt: 'pulling? 5:',
    named: 'pulling 5: pull',
    unnamed: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
  doubted: {
    open: 'pulling? 5:',
    close: 'dormant? 5:',
    restored: 'pulling? 5:',
    next: 'pulling? 6: apply 6',
    old: 'pulling? 5:',
    ahead: 'pulling? 5:',
    beyond: 'pulling? 5:',
    head: 'pulling? 5:',
    sameHead: 'pulling? 5:',
    floor: 'pulling? 5:',
    page: 'pulling? 9: apply 6-9',
    firstPage: 'pulling? 7: apply 6-7 pull',
    emptyPage: 'pulling? 5:',
    overdue: 'pulling? 5:',
    doubt: 'pulling? 5:',
    named: 'live 5:',
    unnamed: 'pulling 5: pull',
    reset: 'pulling 0: pull',
  },
}

const spanOf = (rows: readonly ChatMessage[]) => (rows.length > 1 ? `${rows[0]?.seq}-${rows.at(-1)?.seq}` : `${rows[0]?.seq}`)

/** `sync last: effects`, with a `?` where doubted; an apply names its seqs. */
const told = (state: Position, event: PositionEvent) => {
  const [next, effects] = step(state, event)
  const done = effects.map((effect) => (effect.type === 'apply' ? `apply ${spanOf(effect.rows)}` : effect.type))
  return `${syncOf(next)}${next.doubted ? '?' : ''} ${next.last}: ${done.join(' ')}`.trim()
}

describe('the position of a conversation', () => {
  it('has a table of every event', () => {
    complete<PositionEvent['type'], (typeof EVENTS)[keyof typeof EVENTS]['type']>()
  })
  for (const [from, state] of Object.entries(STATES)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      it(`${from} + ${name}`, () => {
        expect(told(state, event)).toBe(TABLE[from as keyof typeof STATES][name as keyof typeof EVENTS])
      })
    }
  }

  it('jumps over a long backlog and leaves the rest as a hole', () => {
    const head = BACKLOG_LIMIT + 500
    const [state] = step({ ...NOWHERE, head }, { type: 'open' })
    expect(pullAfter(state)).toBe(head - PULL_LIMIT)
    const [live, effects] = step(state, page(head - PULL_LIMIT, head))
    expect(effects).toMatchObject([{ type: 'apply', from: head - PULL_LIMIT, rows: { length: PULL_LIMIT } }])
    expect([live.last, syncOf(live)]).toEqual([head, 'live'])
  })
  it('reads a backlog of exactly the limit through', () => {
    expect(pullAfter({ ...NOWHERE, head: BACKLOG_LIMIT })).toBe(0)
  })
  it('takes what lies below the floor as gone', () => {
    const [state, effects] = step({ ...NOWHERE, opened: true, pulling: true, last: 3, head: 12 }, page(3, 12, false, 10))
    expect(effects).toMatchObject([{ type: 'apply', from: 9, rows: { length: 3 } }])
    expect([state.last, state.floor, syncOf(state)]).toEqual([12, 10, 'live'])
  })
  it('is live where everything is gone', () => {
    const [state, effects] = step({ ...NOWHERE, opened: true, pulling: true, last: 3, head: 12 }, page(3, 12, false, 13))
    expect(effects).toMatchObject([{ type: 'apply', from: 12, rows: [] }])
    expect(syncOf(state)).toBe('live')
  })
  it('does not step over a hole inside a page', () => {
    const broken: PositionEvent = { type: 'page', after: 5, messages: [entry(6), entry(8), entry(9)], hasMore: false, floor: 1 }
    const [state, effects] = step({ ...STATES.pulling }, broken)
    expect(state.last).toBe(6)
    expect(effects.map(({ type }) => type)).toEqual(['apply', 'pull'])
  })
  it('holds a bounded number of frames and pulls instead', () => {
    let state: Position = STATES.live
    let pulls = 0
    for (let seq = 7; seq < 7 + 3 * HOLD_LIMIT; seq++) {
      const [next, effects] = step(state, frame(seq))
      state = next
      pulls += effects.filter(({ type }) => type === 'pull').length
      expect(state.held.length).toBeLessThanOrEqual(HOLD_LIMIT)
    }
    expect(pulls).toBe(1)
    expect(syncOf(state)).toBe('pulling')
  })
})
