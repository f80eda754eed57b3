import { ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { type ConnectionEvent, type ConnectionState, INITIAL, type Phase, step } from '../src/connection/machine.js'
import { complete } from './support/complete.js'

const policy = { enabled: true, minDelayMs: 1_000, maxDelayMs: 30_000 }
const error = new ImError('OFFLINE')

/** Every phase, and with it what makes a difference to what comes. */
const STATES = {
  idle: { ...INITIAL, phase: 'idle' },
  fetching: { ...INITIAL, phase: 'fetching' },
  opening: { ...INITIAL, phase: 'opening' },
  open: { ...INITIAL, phase: 'open' },
  draining: { ...INITIAL, phase: 'open', draining: true },
  waiting: { ...INITIAL, phase: 'waiting' },
  hurried: { ...INITIAL, phase: 'waiting', hurried: true },
  closing: { ...INITIAL, phase: 'closing' },
  closed: { ...INITIAL, phase: 'closed' },
} satisfies Record<string, ConnectionState>

const EVENTS = {
  connect: { type: 'connect' },
  disconnect: { type: 'disconnect' },
  token: { type: 'token' },
  opened: { type: 'opened', windowMs: 5_000 },
  stable: { type: 'stable' },
  lost: { type: 'lost', error },
  expired: { type: 'expired', error },
  refused: { type: 'refused', error },
  timer: { type: 'timer' },
  wake: { type: 'wake' },
  drain: { type: 'drain', inMs: 700 },
} satisfies Record<string, ConnectionEvent>
type EventName = keyof typeof EVENTS

/** Next phase and effects; '-' = the very same state, no effect. */
type Expected = '-' | `${Phase}: ${string}`

const TABLE: Record<keyof typeof STATES, Record<EventName, Expected>> = {
  idle: {
    connect: 'fetching: fetch',
    disconnect: '-',
    token: '-',
    opened: '-',
    stable: '-',
    lost: '-',
    expired: '-',
    refused: '-',
    timer: '-',
    wake: '-',
    drain: '-',
  },
  fetching: {
    connect: '-',
    disconnect: 'idle: discard',
    token: 'opening: open',
    opened: '-',
    stable: '-',
    lost: 'waiting: discard wait',
    expired: 'fetching: discard fetch',
    refused: 'closed: discard',
    timer: '-',
    wake: '-',
    drain: '-',
  },
  opening: {
    connect: '-',
    disconnect: 'idle: discard',
    token: '-',
    opened: 'open: ',
    stable: '-',
    lost: 'waiting: discard wait',
    expired: 'fetching: discard fetch',
    refused: 'closed: discard',
    timer: '-',
    wake: '-',
    drain: '-',
  },
  open: {
    connect: '-',
    disconnect: 'closing: end',
    token: '-',
    opened: '-',
    stable: 'open: ',
    lost: 'waiting: discard wait',
    expired: 'fetching: discard fetch',
    refused: 'closed: discard',
    timer: '-',
    wake: 'open: probe',
    drain: 'open: wait',
  },
  draining: {
    connect: '-',
    disconnect: 'closing: end',
    token: '-',
    opened: '-',
    stable: 'open: ',
    lost: 'waiting: discard',
    expired: 'waiting: discard',
    refused: 'closed: discard',
    timer: 'fetching: discard fetch',
    wake: 'open: probe',
    drain: '-',
  },
  waiting: {
    connect: '-',
    disconnect: 'idle: discard',
    token: '-',
    opened: '-',
    stable: '-',
    lost: '-',
    expired: '-',
    refused: 'closed: discard',
    timer: 'fetching: fetch',
    wake: 'waiting: wait',
    drain: '-',
  },
  hurried: {
    connect: '-',
    disconnect: 'idle: discard',
    token: '-',
    opened: '-',
    stable: '-',
    lost: '-',
    expired: '-',
    refused: 'closed: discard',
    timer: 'fetching: fetch',
    wake: '-',
    drain: '-',
  },
  closing: {
    connect: 'fetching: discard fetch',
    disconnect: '-',
    token: '-',
    opened: '-',
    stable: '-',
    lost: 'idle: discard',
    expired: 'idle: discard',
    refused: 'idle: discard',
    timer: '-',
    wake: '-',
    drain: '-',
  },
  closed: {
    connect: 'fetching: fetch',
    disconnect: 'idle: discard',
    token: '-',
    opened: '-',
    stable: '-',
    lost: '-',
    expired: '-',
    refused: '-',
    timer: '-',
    wake: '-',
    drain: '-',
  },
}

const told = (state: ConnectionState, event: ConnectionEvent): Expected => {
  const [next, effects] = step(state, event, policy)
  if (next === state && effects.length === 0) return '-'
  return `${next.phase}: ${effects.map(({ type }) => type).join(' ')}`
}

describe('the connection machine', () => {
  it('has a table of every phase and every event', () => {
    complete<Phase, (typeof STATES)[keyof typeof STATES]['phase']>()
    complete<ConnectionEvent['type'], (typeof EVENTS)[EventName]['type']>()
  })
  for (const [from, state] of Object.entries(STATES)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      it(`${from} + ${name}`, () => {
        expect(told(state, event)).toBe(TABLE[from as keyof typeof STATES][name as EventName])
      })
    }
  }

  const waitOf = (state: ConnectionState, event: ConnectionEvent) =>
    step(state, event, policy)[1].flatMap((effect) => (effect.type === 'wait' ? [effect.span] : []))[0]

  it('spreads the first reconnect over the window of the server, and backs off afterwards', () => {
    const open: ConnectionState = { ...INITIAL, phase: 'open', windowMs: 12_000 }
    expect(waitOf(open, { type: 'lost', error })).toEqual({ minMs: 0, maxMs: 12_000 })
    expect(waitOf({ ...open, failures: 3 }, { type: 'lost', error })).toEqual({ minMs: 100, maxMs: 8_000 })
    expect(waitOf({ ...INITIAL, phase: 'opening', failures: 30 }, EVENTS.lost)).toEqual({ minMs: 100, maxMs: 30_000 })
  })
  it('honours retryAfterMs', () => {
    const busy = new ImError('BUSY', { retryAfterMs: 4_000 })
    expect(waitOf({ ...INITIAL, phase: 'opening' }, { type: 'lost', error: busy })).toEqual({ minMs: 4_000, maxMs: 6_000 })
    expect(waitOf({ ...INITIAL, phase: 'opening', failures: 4 }, { type: 'lost', error: busy })).toEqual({
      minMs: 4_000,
      maxMs: 16_000,
    })
  })
  it('keeps the moment of a drain when the server closes before it', () => {
    const [draining] = step({ ...INITIAL, phase: 'open' }, EVENTS.drain, policy)
    const [waiting, effects] = step(draining, EVENTS.lost, policy)
    expect(waiting.phase).toBe('waiting')
    expect(effects.map(({ type }) => type)).toEqual(['discard'])
    expect(told(draining, EVENTS.timer)).toBe('fetching: discard fetch')
    expect(told(draining, EVENTS.drain)).toBe('-')
  })
  it('hurries once, so that a flapping network cannot keep the timer from ending', () => {
    const [hurried] = step({ ...INITIAL, phase: 'waiting' }, EVENTS.wake, policy)
    expect(told(hurried, EVENTS.wake)).toBe('-')
  })
  it('asks for another token at once when one expires, and waits when the next is expired too', () => {
    const [fetching, effects] = step({ ...INITIAL, phase: 'opening' }, EVENTS.expired, policy)
    expect(effects).toContainEqual({ type: 'fetch', reason: 'rejected' })
    const [again] = step(fetching, EVENTS.token, policy)
    expect(step(again, EVENTS.expired, policy)[0].phase).toBe('waiting')
  })
  it('closes on the first loss where reconnecting is off', () => {
    expect(step({ ...INITIAL, phase: 'open' }, EVENTS.lost, { ...policy, enabled: false })[0].phase).toBe('closed')
  })

  it('takes a connection as a success once it is stable, and not before', () => {
    const open: ConnectionState = { ...INITIAL, phase: 'open', failures: 3 }
    expect(step(open, EVENTS.lost, policy)[0].failures).toBe(4)
    const [stable] = step(open, EVENTS.stable, policy)
    expect(step(stable, EVENTS.lost, policy)[0].failures).toBe(1)
    expect(step(step(stable, EVENTS.drain, policy)[0], EVENTS.timer, policy)[0].failures).toBe(0)
  })
})
