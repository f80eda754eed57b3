import type { ChatMessage } from '@innerline/protocol'
import type { SyncState } from '../api/conversation.js'

/** Frames beyond a hole that are kept for when it is filled. */
export const HOLD_LIMIT = 64
/** A longer backlog is not read through: its newest page is, and the rest is left as a hole. */
export const BACKLOG_LIMIT = 1_000
/** The default of the contract: a backlog comes in pages that are shown, stored and acknowledged one by one. */
export const PULL_LIMIT = 50

/**
 * How far one device holds a conversation: every entry up to `last`, down to where its timeline begins. What lies below that is not
 * loaded (down to `floor`) or gone (below it).
 */
export interface Position {
  readonly opened: boolean
  readonly last: number
  /** Highest seq seen anywhere. */
  readonly head: number
  /** Lowest seq this member can read now. */
  readonly floor: number
  /** Frames beyond `last + 1`, in no order. */
  readonly held: readonly ChatMessage[]
  /** A pull is under way (or waits for a connection). */
  readonly pulling: boolean
  /** Frames may have been dropped since: nothing is certain until this connection is told where things stand. */
  readonly doubted: boolean
}

export type PositionEvent =
  | { readonly type: 'open' }
  /** Nobody has it open any more, or its pull cannot succeed. */
  | { readonly type: 'close' }
  /** What the store holds from earlier. */
  | { readonly type: 'restored'; readonly last: number }
  | { readonly type: 'frame'; readonly message: ChatMessage }
  /** Somebody who knows says how far the conversation goes, and where it begins. */
  | { readonly type: 'head'; readonly seq: number; readonly floor?: number }
  /** The answer to a pull of everything after `after`. */
  | {
      readonly type: 'page'
      readonly after: number
      readonly messages: readonly ChatMessage[]
      readonly hasMore: boolean
      readonly floor: number
    }
  /** Frames had their time to fill the hole. */
  | { readonly type: 'overdue' }
  | { readonly type: 'doubt' }
  /** This connection was told where things stand. Where that did not name this conversation's head, it is read on from `last` to be sure. */
  | { readonly type: 'told'; readonly named: boolean }
  /** Positions have lost their meaning (epoch). */
  | { readonly type: 'reset' }

export type PositionEffect =
  /** An unbroken run of entries from `from + 1` on for store, view and application. `from` beyond the last one's end leaves a hole. */
  | { readonly type: 'apply'; readonly rows: readonly ChatMessage[]; readonly from: number; readonly origin: 'live' | 'sync' }
  /** Read on, whatever was being read. */
  | { readonly type: 'pull' }
  /** The last page brought nothing though more should exist: pull again after a while. */
  | { readonly type: 'pullLater' }
  /** Give later frames a moment to fill the hole. */
  | { readonly type: 'hold' }

export const NOWHERE: Position = { opened: false, last: 0, head: 0, floor: 1, held: [], pulling: false, doubted: false }

const PULL: PositionEffect = { type: 'pull' }

/** Where the next pull is to read from. */
export const pullAfter = ({ head, last, floor }: Position): number =>
  head - Math.max(last, floor - 1) > BACKLOG_LIMIT ? head - PULL_LIMIT : last

export const syncOf = ({ opened, pulling, doubted, last, head }: Position): SyncState =>
  !opened ? 'dormant' : pulling || doubted || last < head ? 'pulling' : 'live'

type Step = readonly [Position, readonly PositionEffect[]]

/** Takes `rows` and what is held, as far as they follow `from` without a hole. */
function advance(state: Position, rows: readonly ChatMessage[], origin: 'live' | 'sync', from: number): Step {
  const taken: ChatMessage[] = []
  let last = from
  for (const row of [...rows, ...state.held].sort((a, b) => a.seq - b.seq)) if (row.seq === last + 1) last = taken.push(row) + from
  const held = state.held.filter(({ seq }) => seq > last)
  return [
    { ...state, last, head: Math.max(state.head, last), held },
    last > state.last ? [{ type: 'apply', rows: taken, from, origin }] : [],
  ]
}

/** After something moved: is the conversation live, is a hole to be waited for, or must it be pulled? */
function pursue([state, effects]: Step, patient: boolean): Step {
  const { opened, pulling, doubted, last, head } = state
  if (!opened || pulling || doubted || last >= head) return [state, effects]
  if (patient) return [state, [...effects, { type: 'hold' }]]
  return [{ ...state, pulling: true }, [...effects, PULL]]
}

/** The whole rule of order: every seq once, ascending, a hole never mistaken for none. */
export function step(state: Position, event: PositionEvent): Step {
  const { opened, last, head, floor, held } = state
  const to = (changes: Partial<Position>, ...effects: PositionEffect[]): Step => [{ ...state, ...changes }, effects]
  const pull = (changes: Partial<Position>) => to({ ...changes, pulling: true }, PULL)

  switch (event.type) {
    case 'open':
      // One pull at least: what is known of the head may be old.
      return opened ? [state, []] : pull({ opened: true })
    case 'close':
      return to({ opened: false, pulling: false, held: [] })
    case 'restored':
      return to({ last: event.last, head: Math.max(head, event.last) })
    case 'frame': {
      const { message } = event
      const { seq } = message
      const seen = { ...state, head: Math.max(head, seq) }
      if (!opened || seq <= last) return [seen, []]
      // What there is no room for is not needed: the pull of the hole brings it too.
      const full = seq > last + 1 && held.length >= HOLD_LIMIT
      return pursue(full ? [seen, []] : advance({ ...seen, held: [...held, message] }, [], 'live', last), !full)
    }
    case 'head':
      return pursue(to({ head: Math.max(head, event.seq), floor: event.floor ?? floor }), false)
    case 'page': {
      const { after, messages, hasMore } = event
      if (!opened) return to({ floor: event.floor })
      // A page from beyond `last` was asked for so (a long backlog), and below the floor there is nothing to miss.
      const from = Math.max(after, event.floor - 1, last)
      const [moved, effects] = advance({ ...state, floor: event.floor, pulling: false }, messages, 'sync', from)
      if (moved.last >= moved.head && !hasMore) return [moved, effects]
      return [{ ...moved, pulling: true }, [...effects, moved.last > last ? PULL : { type: 'pullLater' }]]
    }
    case 'overdue':
      return pursue([state, []], false)
    case 'doubt':
      return to({ doubted: true })
    case 'told':
      // Even while a page is under way: it may have been read before.
      return opened && !event.named ? pull({ doubted: false }) : pursue(to({ doubted: false }), false)
    case 'reset':
      return opened ? pull({ ...NOWHERE, opened }) : [NOWHERE, []]
  }
}
