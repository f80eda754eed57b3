import type { ImError } from '@innerline/protocol'
import type { TokenContext } from '../api/options.js'
import { backoff, later, type Span } from '../delays.js'

/**
 * `fetching` a token, `opening` a socket up to CONNECTED, `open`, `waiting` for the next attempt, `closing` by DISCONNECT,
 * `closed` for good (until the next connect).
 */
export type Phase = 'idle' | 'fetching' | 'opening' | 'open' | 'waiting' | 'closing' | 'closed'

export interface ConnectionState {
  readonly phase: Phase
  /** Attempts that have failed in a row. A connection counts as a success only once it is stable. */
  readonly failures: number
  /** Whether this client was ever connected. */
  readonly known: boolean
  /** The last token was called expired. */
  readonly expired: boolean
  /** Over how many ms the server wants first reconnects spread. */
  readonly windowMs: number
  /** The wait was cut short by a wake-up already. */
  readonly hurried: boolean
  /** A timer for the move to another node runs. */
  readonly draining: boolean
  readonly error?: ImError | undefined
}

export type ConnectionEvent =
  | { readonly type: 'connect' }
  | { readonly type: 'disconnect' }
  /** A token is there. */
  | { readonly type: 'token' }
  | { readonly type: 'opened'; readonly windowMs: number }
  /** The connection has lasted for a while. */
  | { readonly type: 'stable' }
  /** The attempt or connection failed in a way that may pass. */
  | { readonly type: 'lost'; readonly error: ImError }
  /** The token has expired. */
  | { readonly type: 'expired'; readonly error: ImError }
  /** Trying again cannot help. */
  | { readonly type: 'refused'; readonly error: ImError }
  /** The timer of `wait` is over. */
  | { readonly type: 'timer' }
  /** The network or the page is back, or time has jumped. */
  | { readonly type: 'wake' }
  | { readonly type: 'drain'; readonly inMs: number }

export type ConnectionEffect =
  | { readonly type: 'fetch'; readonly reason: TokenContext['reason'] }
  | { readonly type: 'open' }
  /** Start the one timer, replacing a running one. It is stopped in every phase but `waiting` and while not draining. */
  | { readonly type: 'wait'; readonly span: Span }
  /** Drop token call and socket without ceremony. */
  | { readonly type: 'discard' }
  /** DISCONNECT, then close; `lost` tells of the end. */
  | { readonly type: 'end' }
  | { readonly type: 'probe' }

export interface ReconnectPolicy {
  readonly enabled: boolean
  readonly minDelayMs: number
  readonly maxDelayMs: number
}

export const INITIAL: ConnectionState = {
  phase: 'idle',
  failures: 0,
  known: false,
  expired: false,
  windowMs: 1_000,
  hurried: false,
  draining: false,
}

type Step = readonly [ConnectionState, readonly ConnectionEffect[]]

const DISCARD: ConnectionEffect = { type: 'discard' }
const wait = (span: Span): ConnectionEffect => ({ type: 'wait', span })

/** The whole behaviour of a connection. Events that mean nothing in a phase leave the very same state. */
export function step(state: ConnectionState, event: ConnectionEvent, policy: ReconnectPolicy): Step {
  const { phase } = state
  const resting = phase === 'idle' || phase === 'closed'
  const to = (next: Phase, changes: Partial<ConnectionState>, ...effects: ConnectionEffect[]): Step => [
    { ...state, hurried: false, draining: false, ...changes, phase: next },
    effects,
  ]
  const fetching = (changes: Partial<ConnectionState>, ...before: ConnectionEffect[]): Step =>
    to('fetching', changes, ...before, {
      type: 'fetch',
      reason: (changes.expired ?? state.expired) ? 'rejected' : state.known ? 'reconnect' : 'initial',
    })
  const stay: Step = [state, []]

  switch (event.type) {
    case 'connect':
      if (phase === 'closing') return fetching({ failures: 0 }, DISCARD)
      return resting ? fetching({ failures: 0, expired: false, error: undefined }) : stay
    case 'disconnect':
      if (phase === 'idle' || phase === 'closing') return stay
      if (phase === 'open') return to('closing', { error: undefined }, { type: 'end' })
      return to('idle', { error: undefined }, DISCARD)
    case 'token':
      return phase === 'fetching' ? to('opening', {}, { type: 'open' }) : stay
    case 'opened':
      if (phase !== 'opening') return stay
      return to('open', { known: true, expired: false, windowMs: event.windowMs, error: undefined })
    case 'stable':
      return phase === 'open' ? [{ ...state, failures: 0 }, []] : stay
    case 'refused':
      if (resting) return stay
      return phase === 'closing' ? to('idle', {}, DISCARD) : to('closed', { error: event.error }, DISCARD)
    case 'lost':
    case 'expired': {
      if (phase === 'closing') return to('idle', {}, DISCARD)
      if (resting || phase === 'waiting') return stay
      const { error } = event
      if (!policy.enabled) return to('closed', { error }, DISCARD)
      const failures = state.failures + 1
      const expired = event.type === 'expired'
      // The timer of the drain runs already, and its moment was chosen by the server.
      if (state.draining) return [{ ...state, phase: 'waiting', failures, error }, [DISCARD]]
      // A first expiry is the normal course of a token and needs no wait; a second in a row is a fault.
      if (expired && failures === 1) return fetching({ failures, expired, error }, DISCARD)
      const { minDelayMs, maxDelayMs } = policy
      const jitter = phase === 'open' && failures === 1 ? { minMs: 0, maxMs: state.windowMs } : backoff(failures, minDelayMs, maxDelayMs)
      // The server's word is the least: what fails for long is tried less often all the same.
      const span = error.retryAfterMs === undefined ? jitter : later(error.retryAfterMs, jitter)
      return to('waiting', { failures, expired: expired || (state.expired && phase === 'fetching'), error }, DISCARD, wait(span))
    }
    case 'timer':
      if (phase === 'waiting') return fetching({})
      return phase === 'open' && state.draining ? fetching({}, DISCARD) : stay
    case 'wake':
      if (phase === 'open') return [state, [{ type: 'probe' }]]
      if (phase !== 'waiting' || state.hurried) return stay
      // Up to a second, as a whole office comes back online at the same moment.
      return to('waiting', { hurried: true }, wait({ minMs: 0, maxMs: 1_000 }))
    case 'drain':
      if (phase !== 'open' || state.draining) return stay
      return to('open', { draining: true }, wait({ minMs: event.inMs, maxMs: event.inMs }))
  }
}
