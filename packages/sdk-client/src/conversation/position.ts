import type { ChatMessage } from '@innerline/protocol'
import type { SyncState } from '../api/conversation.js'

/** Frames beyond a hole that are kept for when it is filled. */
export const HOLD_LIMIT = 64
/** A longer backlog is not read through: its newest page is, and the rest is left as a hole. */
export const BACKLOG_LIMIT = 1_000
/** The default of the contract: a backlog comes in pages that are shown, stored and acknowledged one by one. */
export const PULL_LIMIT = 50

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
  /** Nobody has it open any more, or its pull cannot succeed. */
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

const PULL: PositionEffect = { type: 'pull' }

/** Where the next pull is to read from. */
export const pullAfter = ({ head, last, floor }: Position): number =>
  head - Math.max(last, floor - 1) > BACKLOG_LIMIT ? head - PULL_LIMIT : last

export const syncOf = ({ opened, pulling, doubted, last, head }: Position): SyncState =>
  !opened ? 'dormant' : pulling || doubted || last < head ? 'pulling' : 'live'

type Step = readonly [Position, readonly PositionEffect[]]

/** Takes `rows` (ascending, perhaps overlapping) and what is held, as far as they follow `after` without a hole. */
function advance(state: Position, rows: readonly ChatMessage[], origin: 'live' | 'sync', low: number, after: number): Step {
  const taken: ChatMessage[] = []
  let last = after
  const next = [...state.held.values()].sort((a, b) => a.seq - b.seq)
  for (const row of [...rows, ...next]) if (row.seq === last + 1) last = taken.push(row) + after
  const held = new Map([...state.held].filter(([seq]) => seq > last))
  const { last: expected } = state
  const dropped = low !== state.low
  return [
    { ...state, low, last, head: Math.max(state.head, last), held },
    last > expected || dropped ? [{ type: 'apply', rows: taken, origin, expected, last, low, dropped }] : [],
  ]
}

/** After something moved: is the conversation live, is a hole to be waited for, or must it be pulled? */
function pursue([state, effects]: Step, patient: boolean): Step {
  const { opened, pulling, doubted, last, head, held } = state
  if (!opened || pulling || doubted || last >= head) return [state, effects]
  const full = held.size > HOLD_LIMIT
  if (patient && held.size > 0 && !full) return [state, [...effects, { type: 'hold' }]]
  return [{ ...state, held: full ? new Map() : held, pulling: true }, [...effects, PULL]]
}

/** The whole rule of order: every seq once, ascending, a hole never mistaken for none. */
export function step(state: Position, event: PositionEvent): Step {
  const { opened, pulling, low, last, head, held } = state
  const to = (changes: Partial<Position>, ...effects: PositionEffect[]): Step => [{ ...state, ...changes }, effects]
  const pull = (changes: Partial<Position>) => to({ ...changes, pulling: true }, PULL)

  switch (event.type) {
    case 'open':
      // One pull at least: what is known of the head may be old.
      return opened ? [state, []] : pull({ opened: true })
    case 'close':
      return to({ opened: false, pulling: false, held: new Map() })
    case 'restored':
      return to({ low: event.low, last: event.last, head: Math.max(head, event.last) })
    case 'frame': {
      const { message } = event
      const { seq } = message
      const seen = { ...state, head: Math.max(head, seq) }
      // Past the limit a frame beyond a hole is not needed any more: the pull brings it.
      if (!opened || seq <= last || (seq > last + 1 && held.size > HOLD_LIMIT)) return [seen, []]
      return pursue(advance({ ...seen, held: new Map(held).set(seq, message) }, [], 'live', low, last), true)
    }
    case 'head':
      return pursue(to({ head: Math.max(head, event.seq), floor: event.floor ?? state.floor, doubted: false }), false)
    case 'page': {
      const { after, messages, hasMore, floor } = event
      if (!opened) return to({ floor })
      // A page from beyond `last` was asked for so (a long backlog), and below the floor there is nothing to miss.
      const start = Math.max(after, floor - 1, last)
      const [moved, effects] = advance({ ...state, floor, pulling: false }, messages, 'sync', start > last ? start : low, start)
      if (moved.last >= moved.head && !hasMore) return [moved, effects]
      return [{ ...moved, pulling: true }, [...effects, moved.last > last ? PULL : { type: 'pullLater' }]]
    }
    case 'older': {
      const { messages: rows, floor } = event
      const below = event.low - rows.length
      // Only an unbroken run that ends at `low` joins what is held.
      if (!rows.length || event.low < low || !rows.every(({ seq }, index) => seq === below + 1 + index)) return to({ floor })
      return to({ floor, low: below }, { type: 'prepend', rows, low: below, last })
    }
    case 'overdue':
      return pursue([state, []], false)
    case 'doubt':
      return to({ doubted: opened })
    case 'unsure':
      return opened && !pulling ? pull({ doubted: false }) : to({ doubted: false })
    case 'reset':
      return opened ? pull({ ...NOWHERE, opened }) : [NOWHERE, []]
  }
}
