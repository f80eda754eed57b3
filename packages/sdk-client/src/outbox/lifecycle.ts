import { ImError } from '@innerline/protocol'
import type { Message } from '../api/message.js'

/**
 * `queued` waits for its turn, `noting` until the store knows that it may be with the server, `sending` was written to a socket and waits
 * for an answer, `resting` pauses before the next attempt, `failed` was refused or given up, `gone` is committed or cancelled.
 */
export type Phase = 'queued' | 'noting' | 'sending' | 'resting' | 'failed' | 'gone'

/** How far one own message is. */
export interface EntryState {
  readonly phase: Phase
  /** It was written to a socket: from then on only an answer settles it, as the server may have it. */
  readonly written: boolean
  /** Attempts in a row that have not settled it. */
  readonly attempts: number
  /** Why the last attempt did not settle it, or why it is over. */
  readonly error?: ImError | undefined
}

export type EntryEvent =
  /** The queue has a place for it. */
  | { readonly type: 'turn' }
  /** The store has it down as written. */
  | { readonly type: 'noted' }
  /** The connection is gone, or did not take it. */
  | { readonly type: 'lost' }
  /** The pause is over. */
  | { readonly type: 'rested' }
  /** An answer, to whichever attempt: `never` is final, all else (silence too) leaves it open. */
  | { readonly type: 'refused'; readonly error: ImError }
  /** A receipt or an own entry in the log. */
  | { readonly type: 'committed'; readonly message: Message }
  /** It has waited for as long as it may. */
  | { readonly type: 'aged' }
  | { readonly type: 'cancel' }
  | { readonly type: 'retry' }

/** How a message ends that was given up for its age: what was written may have been committed. */
export const expired = (written: boolean): ImError => new ImError('EXPIRED', { extra: { outcome: written ? 'unknown' : 'unsent' } })

/** The whole life of an own message. Events that mean nothing in a phase leave the very same state. */
export function step(state: EntryState, event: EntryEvent): EntryState {
  const { phase, written, attempts } = state
  const to = (next: Phase, changes: Partial<EntryState> = {}): EntryState => ({ ...state, error: undefined, ...changes, phase: next })
  const failed = phase === 'failed'
  if (phase === 'gone') return state
  switch (event.type) {
    case 'turn':
      return phase === 'queued' ? to(written ? 'sending' : 'noting') : state
    case 'noted':
      return phase === 'noting' ? to('sending', { written: true }) : state
    case 'lost':
      // No fault of the message: it goes first on the next connection.
      return phase === 'noting' || phase === 'sending' ? to('queued') : state
    case 'rested':
      return phase === 'resting' ? to('queued', { error: state.error }) : state
    case 'refused': {
      const { error } = event
      if (failed) return state
      return error.retry === 'never' ? to('failed', { error }) : to('resting', { error, attempts: attempts + 1 })
    }
    case 'committed':
      return to('gone')
    case 'aged':
      return failed ? state : to('failed', { error: expired(written) })
    case 'cancel':
      return failed || !written ? to('gone', { error: new ImError('CANCELLED') }) : state
    case 'retry':
      return failed ? to('queued', { attempts: 0 }) : state
  }
}
