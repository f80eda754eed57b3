import type { ChatMessage } from '@innerline/protocol'
import type { SyncState } from '../api/conversation.js'

/** Frames beyond a hole that are kept for when it is filled. */
export const HOLD_LIMIT = 64
/** A longer backlog is not read through: its newest page is, and the rest is left as a hole. */
export const BACKLOG_LIMIT = 1_000
export const PULL_LIMIT = 200

/**
 * What one device holds of a conversation: exactly the entries in `(low, last]`. Everything at or below `low` is not loaded (down to
 * `floor`) or gone (below it).
 */
export interface Position {
  readonly opened: boolean
  readonly low: number
  readonly last: number
  /** Highest seq seen anywhere. */
  readonly head: number
  /** Lowest seq this member can read now. */
  readonly floor: number
  /** Frames beyond `last + 1`, by seq. */
  readonly held: ReadonlyMap<number, ChatMessage>
  /** A pull is under way (or waits for a connection). */
  readonly pulling: boolean
  /** Frames may have been dropped since: nothing is certain until a head is told. */
  readonly doubted: boolean
}

export type PositionEvent =
  | { readonly type: 'open' }
  | { readonly type: 'close' }
  /** What the store holds from earlier. */
  | { readonly type: 'restored'; readonly low: number; readonly last: number }
  | { readonly type: 'frame'; readonly message: ChatMessage }
  /** Somebody who knows says how far the conversation goes. */
  | { readonly type: 'head'; readonly seq: number; readonly floor?: number }
  /** The answer to a pull of everything after `after`. */
  | {
      readonly type: 'page'
      readonly after: number
      readonly messages: readonly ChatMessage[]
      readonly hasMore: boolean
      readonly floor: number
    }
  /** Older entries, asked for up to `low`. */
  | { readonly type: 'older'; readonly low: number; readonly messages: readonly ChatMessage[]; readonly floor: number }
  /** The pull cannot succeed. */
  | { readonly type: 'failed' }
  /** Frames had their time to fill the hole. */
  | { readonly type: 'overdue' }
  | { readonly type: 'doubt' }
  /** Nothing can be said of the head: read on from `last` to be sure. */
  | { readonly type: 'unsure' }
  /** Positions have lost their meaning (epoch). */
  | { readonly type: 'reset' }

export type PositionEffect =
  /** Rows for the store, the view and the application, ascending from `expected + 1`, or from `low + 1` where older ones are `dropped`. */
  | {
      readonly type: 'apply'
      readonly rows: readonly ChatMessage[]
      readonly origin: 'live' | 'sync'
      /** What the store's `lastSeq` is before, and is to be afterwards. */
      readonly expected: number
      readonly last: number
      readonly low: number
      readonly dropped: boolean
    }
  /** Rows for the front of the view. */
  | { readonly type: 'prepend'; readonly rows: readonly ChatMessage[]; readonly low: number; readonly last: number }
  | { readonly type: 'pull' }
  /** The last page brought nothing though more should exist: pull again after a while. */
  | { readonly type: 'pullLater' }
  /** Give later frames a moment to fill the hole. */
  | { readonly type: 'hold' }

export const NOWHERE: Position = {
  opened: false,
  low: 0,
  last: 0,
  head: 0,
  floor: 1,
  held: new Map(),
  pulling: false,
  doubted: false,
}

/** Where the next pull is to read from. */
export const pullAfter = ({ head, last, floor }: Position): number =>
  head - Math.max(last, floor - 1) > BACKLOG_LIMIT ? head - PULL_LIMIT : last

export const syncOf = ({ opened, pulling, doubted, last, head }: Position): SyncState =>
  !opened ? 'dormant' : pulling || doubted || last < head ? 'pulling' : 'live'

type Step = readonly [Position, readonly PositionEffect[]]

/** Takes `rows` (ascending, perhaps overlapping) and what is held, as far as they are without a hole. */
function advance(state: Position, rows: readonly ChatMessage[], origin: 'live' | 'sync', low: number, last: number): Step {
  const taken: ChatMessage[] = []
  let at = last
  for (const row of rows) {
    if (row.seq === at + 1) {
      taken.push(row)
      at++
    }
  }
  const held = new Map(state.held)
  for (let next = held.get(at + 1); next; next = held.get(at + 1)) {
    taken.push(next)
    at++
  }
  for (const seq of held.keys()) if (seq <= at) held.delete(seq)
  const moved = at > state.last || low !== state.low
  return [
    { ...state, low, last: at, head: Math.max(state.head, at), held },
    moved ? [{ type: 'apply', rows: taken, origin, expected: state.last, last: at, low, dropped: low !== state.low }] : [],
  ]
}

/** After something moved: is the conversation live, is a hole to be waited for, or must it be pulled? */
function pursue([state, effects]: Step, patient: boolean): Step {
  if (!state.opened || state.pulling || state.doubted || state.last >= state.head) return [state, effects]
  if (patient && state.held.size > 0 && state.held.size <= HOLD_LIMIT) return [state, [...effects, { type: 'hold' }]]
  const held = state.held.size > HOLD_LIMIT ? new Map() : state.held
  return [{ ...state, held, pulling: true }, [...effects, { type: 'pull' }]]
}

/** The whole rule of order: every seq once, ascending, a hole never mistaken for none. */
export function step(state: Position, event: PositionEvent): Step {
  switch (event.type) {
    case 'open':
      // One pull at least: what is known of the head may be old.
      return state.opened ? [state, []] : [{ ...state, opened: true, pulling: true }, [{ type: 'pull' }]]
    case 'close':
      return [{ ...state, opened: false, pulling: false, held: new Map() }, []]
    case 'restored':
      return [{ ...state, low: event.low, last: event.last, head: Math.max(state.head, event.last) }, []]
    case 'frame': {
      const { message } = event
      const seen = { ...state, head: Math.max(state.head, message.seq) }
      if (!state.opened || message.seq <= state.last) return [seen, []]
      if (message.seq === state.last + 1) return pursue(advance(seen, [message], 'live', state.low, state.last), true)
      // Past the limit the frame itself is not needed any more: the pull brings it.
      if (state.held.size > HOLD_LIMIT) return [seen, []]
      return pursue([{ ...seen, held: new Map(state.held).set(message.seq, message) }, []], true)
    }
    case 'head': {
      const head = Math.max(state.head, event.seq)
      return pursue([{ ...state, head, floor: event.floor ?? state.floor, doubted: false }, []], false)
    }
    case 'page': {
      const { after, messages, hasMore, floor } = event
      if (!state.opened) return [{ ...state, floor }, []]
      // A page from beyond `last` was asked for so (a long backlog), and below the floor there is nothing to miss.
      const start = Math.max(after, floor - 1, state.last)
      const low = start > state.last ? start : state.low
      const [moved, effects] = advance({ ...state, floor, pulling: false }, messages, 'sync', low, start)
      const reached = moved.last
      const progress = reached > state.last
      if (reached >= moved.head && !hasMore) return [moved, effects]
      return [{ ...moved, pulling: true }, [...effects, { type: progress ? 'pull' : 'pullLater' }]]
    }
    case 'older': {
      const { low, messages: rows, floor } = event
      const first = rows[0]?.seq ?? 0
      // Only an unbroken run that ends at `low` joins what is held.
      const joins = rows.length > 0 && low >= state.low && rows.every((row, index) => row.seq === first + index) && rows.at(-1)?.seq === low
      if (!joins) return [{ ...state, floor }, []]
      return [{ ...state, floor, low: first - 1 }, [{ type: 'prepend', rows, low: first - 1, last: state.last }]]
    }
    case 'failed':
      return [{ ...state, opened: false, pulling: false, held: new Map() }, []]
    case 'overdue':
      return pursue([state, []], false)
    case 'doubt':
      return [{ ...state, doubted: state.opened }, []]
    case 'unsure':
      return state.opened && !state.pulling
        ? [{ ...state, doubted: false, pulling: true }, [{ type: 'pull' }]]
        : [{ ...state, doubted: false }, []]
    case 'reset':
      return [{ ...NOWHERE, opened: state.opened, pulling: state.opened }, state.opened ? [{ type: 'pull' }] : []]
  }
}
