import { ImError } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EntryEvent, type EntryState, type Phase, step } from '../src/outbox/lifecycle.js'
import { complete } from './support/complete.js'

const busy = new ImError('BUSY')
const muted = new ImError('MUTED')

/** Every phase, and with it what was written before where that makes a difference. */
const STATES = {
  queued: { phase: 'queued', written: false, attempts: 0 },
  doubtful: { phase: 'queued', written: true, attempts: 1 },
  noting: { phase: 'noting', written: false, attempts: 0 },
  sending: { phase: 'sending', written: true, attempts: 1 },
  resting: { phase: 'resting', written: true, attempts: 2, error: busy },
  failed: { phase: 'failed', written: false, attempts: 0, error: muted },
  failedWritten: { phase: 'failed', written: true, attempts: 3, error: muted },
  gone: { phase: 'gone', written: true, attempts: 0 },
} satisfies Record<string, EntryState>

const EVENTS = {
  turn: { type: 'turn' },
  noted: { type: 'noted' },
  lost: { type: 'lost' },
  rested: { type: 'rested' },
  never: { type: 'refused', error: muted },
  later: { type: 'refused', error: busy },
  committed: { type: 'committed', message: {} as never },
  aged: { type: 'aged' },
  cancel: { type: 'cancel' },
  retry: { type: 'retry' },
} satisfies Record<string, EntryEvent>

/** Next phase, the error's code, `attempts` where they change; '-' is the very same state. */
const TABLE: Record<keyof typeof STATES, Record<keyof typeof EVENTS, string>> = {
  queued: {
    turn: 'noting',
    noted: '-',
    lost: '-',
    rested: '-',
    never: 'failed MUTED',
    later: 'resting BUSY 1',
    committed: 'gone',
    aged: 'failed EXPIRED unsent',
    cancel: 'gone CANCELLED',
    retry: '-',
  },
  doubtful: {
    turn: 'sending',
    noted: '-',
    lost: '-',
    rested: '-',
    never: 'failed MUTED',
    later: 'resting BUSY 2',
    committed: 'gone',
    aged: 'failed EXPIRED unknown',
    cancel: '-',
    retry: '-',
  },
  noting: {
    turn: '-',
    noted: 'sending',
    lost: 'queued',
    rested: '-',
    never: 'failed MUTED',
    later: 'resting BUSY 1',
    committed: 'gone',
    aged: 'failed EXPIRED unsent',
    cancel: 'gone CANCELLED',
    retry: '-',
  },
  sending: {
    turn: '-',
    noted: '-',
    lost: 'queued',
    rested: '-',
    never: 'failed MUTED',
    later: 'resting BUSY 2',
    committed: 'gone',
    aged: 'failed EXPIRED unknown',
    cancel: '-',
    retry: '-',
  },
  resting: {
    turn: '-',
    noted: '-',
    lost: '-',
    rested: 'queued BUSY',
    never: 'failed MUTED',
    later: 'resting BUSY 3',
    committed: 'gone',
    aged: 'failed EXPIRED unknown',
    cancel: '-',
    retry: '-',
  },
  failed: {
    turn: '-',
    noted: '-',
    lost: '-',
    rested: '-',
    never: '-',
    later: '-',
    committed: 'gone',
    aged: '-',
    cancel: 'gone CANCELLED',
    retry: 'queued',
  },
  failedWritten: {
    turn: '-',
    noted: '-',
    lost: '-',
    rested: '-',
    never: '-',
    later: '-',
    committed: 'gone',
    aged: '-',
    cancel: 'gone CANCELLED',
    retry: 'queued 0',
  },
  gone: {
    turn: '-',
    noted: '-',
    lost: '-',
    rested: '-',
    never: '-',
    later: '-',
    committed: '-',
    aged: '-',
    cancel: '-',
    retry: '-',
  },
}

const told = (state: EntryState, event: EntryEvent): string => {
  const { phase, attempts, error } = step(state, event)
  if (step(state, event) === state) return '-'
  const outcome = error?.extra?.['outcome'] as string | undefined
  return [phase, error?.code, outcome, attempts === state.attempts ? undefined : attempts].filter((part) => part !== undefined).join(' ')
}

describe('the life of an own message', () => {
  it('has a table of every phase and every event', () => {
    complete<Phase, (typeof STATES)[keyof typeof STATES]['phase']>()
    complete<EntryEvent['type'], (typeof EVENTS)[keyof typeof EVENTS]['type']>()
  })
  for (const [from, state] of Object.entries(STATES)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      it(`${from} + ${name}`, () => {
        expect(told(state, event)).toBe(TABLE[from as keyof typeof STATES][name as keyof typeof EVENTS])
      })
    }
  }

  it('is on a socket only once the store knows, ends once, and is never taken back after it was written', () => {
    const anyEvent = fc.constantFrom<EntryEvent>(...Object.values(EVENTS))
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40, size: 'max' }), (events) => {
        let state: EntryState = { phase: 'queued', written: false, attempts: 0 }
        let known = false
        let onSocket = false
        let failures = 0
        for (const event of events) {
          const before = state
          state = step(before, event)
          if (before.phase === 'noting' && event.type === 'noted') known = true
          if (state.phase === 'sending' && before.phase !== 'sending') {
            expect(known).toBe(true)
            onSocket = true
          }
          // What is written stays written, and says so.
          expect(state.written).toBe(onSocket)
          if (before.phase === 'gone') expect(state).toBe(before)
          else if (state.phase === 'gone') expect(event.type === 'committed' || !onSocket || before.phase === 'failed').toBe(true)
          if (state.phase === 'failed' && before.phase !== 'failed') {
            failures++
            expect(['MUTED', 'EXPIRED']).toContain(state.error?.code)
            if (event.type === 'aged') expect(state.error?.extra).toEqual({ outcome: onSocket ? 'unknown' : 'unsent' })
          }
          // Only a retry by hand leaves the failed.
          if (before.phase === 'failed' && state.phase === 'queued') expect(event.type).toBe('retry')
        }
        expect(failures).toBeLessThanOrEqual(1 + events.filter(({ type }) => type === 'retry').length)
      }),
      { numRuns: 500 },
    )
  })
})
