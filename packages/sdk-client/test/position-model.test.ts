import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BACKLOG_LIMIT,
  HOLD_LIMIT,
  NOWHERE,
  type Position,
  type PositionEvent,
  pullAfter,
  step,
  syncOf,
} from '../src/conversation/position.js'
import { entry, range } from './support/entries.js'

/** A pull on its way: where it reads from, and once the server has read, the page. */
interface Pull {
  readonly after: number
  page?: PositionEvent & { type: 'page' }
}

/**
 * What a conversation is, said as simply as can be: a log that grows, a floor, and one device of which is known what it was told, what it
 * knows to be missing and what it has ever seen of the log. The machine under test is asked after each event whether it agrees.
 */
class Model {
  log = 0
  floor = 1
  state: Position = NOWHERE
  /** Highest seq that was told to the machine in any way, in this epoch. */
  seen = 0
  /** Ends of what was applied; the store has exactly this. */
  stored = 0
  /** Number and newest of the seqs told to the application, in this epoch. */
  told = 0
  lastTold = 0
  /** Number of seqs that the machine has left out, and said so. */
  skipped = 0
  pull: Pull | undefined
  holding = false
  doubted = false
  /** What was committed when this connection was last told where things stand. */
  due = 0

  feed(event: PositionEvent): void {
    const before = this.state
    const [next, effects] = step(before, event)
    this.state = next
    if (event.type === 'frame') this.seen = Math.max(this.seen, event.message.seq)
    if (event.type === 'head') this.seen = Math.max(this.seen, event.seq)
    if (event.type === 'page' && before.opened) this.seen = Math.max(this.seen, event.messages.at(-1)?.seq ?? 0)
    if (event.type === 'close') this.pull = undefined
    for (const effect of effects) {
      if (effect.type === 'hold') this.holding = true
      else if (effect.type === 'apply') this.apply(before, event, effect.from, effect.rows)
      // Where from is decided when it is sent, which may be later.
      else this.ask()
    }
    this.judge()
  }

  private ask(): void {
    const { head, last, floor } = this.state
    const after = pullAfter(this.state)
    // A hole is left on purpose only where reading all would take too long.
    if (after !== last) expect(head - Math.max(last, floor - 1)).toBeGreaterThan(BACKLOG_LIMIT)
    this.pull = { after }
  }

  private apply(
    before: Position,
    event: PositionEvent,
    from: number,
    rows: readonly { readonly seq: number; readonly msgId: string }[],
  ): void {
    expect(from).toBeGreaterThanOrEqual(this.stored)
    this.skipped += from - this.stored
    if (from > this.stored) {
      // What is gone, or what a long backlog leaves to be loaded later.
      const { type, floor, after } = event as PositionEvent & { type: 'page' }
      expect([type, from]).toEqual(['page', Math.max(after, floor - 1)])
    }
    expect(rows.every(({ msgId }, i) => msgId === `m${from + 1 + i}`)).toBe(true)
    for (const { seq } of rows) {
      expect(seq).toBeGreaterThan(this.lastTold)
      this.lastTold = seq
    }
    this.told += rows.length
    this.stored = from + rows.length
    expect(this.stored).toBeGreaterThan(before.last)
  }

  private judge(): void {
    const { state } = this
    const sync = syncOf(state)
    expect(state.last).toBe(this.stored)
    // What was not told is known to be missing.
    expect(this.told + this.skipped).toBe(this.stored)
    expect(state.held.length).toBeLessThanOrEqual(HOLD_LIMIT)
    for (const { seq } of state.held) expect(seq).toBeGreaterThan(state.last + 1)
    expect(sync === 'dormant').toBe(!state.opened)
    // Live is: everything seen anywhere is held, and nothing is in doubt or being read.
    if (sync === 'live') expect([state.last, this.pull, this.doubted]).toEqual([Math.max(this.seen, this.stored), undefined, false])
    // It has all that was there when the connection was told where things stand, named or not.
    if (sync === 'live') expect(state.last).toBeGreaterThanOrEqual(this.due)
    // And what is not live is on its way to be.
    if (sync === 'pulling') expect(this.pull !== undefined || this.holding || this.doubted).toBe(true)
  }

  /** The server reads the page. */
  read(size: number): void {
    if (this.pull === undefined || this.pull.page) return
    const { after } = this.pull
    const from = Math.max(after, this.floor - 1)
    const to = Math.min(this.log, from + size)
    this.pull.page = { type: 'page', after, messages: range(from + 1, to), hasMore: to < this.log, floor: this.floor }
  }
  /** The page arrives. */
  answer(): void {
    const page = this.pull?.page
    if (!page) return
    this.pull = undefined
    this.feed(page)
  }
  /** The app is started anew, with what its store has. */
  restart(): void {
    this.state = NOWHERE
    this.seen = this.due = 0
    this.pull = undefined
    this.holding = this.doubted = false
    if (this.stored > 0) this.feed({ type: 'restored', last: this.stored })
  }
  /** Another log, of another epoch. */
  reset(log: number): void {
    Object.assign(this, { log, floor: 1, seen: 0, due: 0, stored: 0, told: 0, lastTold: 0, skipped: 0, pull: undefined, doubted: false })
    this.feed({ type: 'reset' })
  }
}

type Move = readonly [name: keyof typeof moves, n: number]

/** What can happen; `n` is any number up to 1 500. */
const moves = {
  grow: (model, n) => {
    model.log += 1 + (n % 7)
  },
  flood: (model, n) => {
    model.log += n
  },
  /** The newest entries come, in order or not, some of them lost. */
  frames: (model, n) => {
    const newest = [0, 1, 2, 3].map((back) => model.log - back).filter((_, i) => (n >> i) & 1)
    for (const seq of n % 3 === 0 ? newest : newest.reverse()) if (seq > 0) model.feed({ type: 'frame', message: entry(seq) })
  },
  /** A burst behind a hole. */
  burst: (model, n) => {
    model.log += 2
    for (let i = 0; i < n % 100; i++) model.feed({ type: 'frame', message: entry(++model.log) })
  },
  /** A repeat, or one that was very long on its way. */
  stale: (model, n) => {
    if (model.log > 0) model.feed({ type: 'frame', message: entry(1 + (n % model.log)) })
  },
  head: (model, n) => model.feed({ type: 'head', seq: Math.max(0, model.log - (n % 3)), floor: model.floor }),
  read: (model, n) => model.read(n % 50),
  answer: (model) => model.answer(),
  exchange: (model) => {
    model.read(50)
    model.answer()
  },
  overdue: (model) => {
    model.holding = false
    model.feed({ type: 'overdue' })
  },
  lag: (model) => {
    model.doubted = true
    model.feed({ type: 'doubt' })
  },
  /** The connection is told where things stand, and of this conversation too or not. */
  told: (model, n) => {
    const named = n % 2 === 0
    if (named) model.feed({ type: 'head', seq: model.log, floor: model.floor })
    model.doubted = false
    if (model.state.opened) model.due = model.log
    model.feed({ type: 'told', named })
  },
  /** A page was read before the connection ended, and is answered after the next one was told. */
  reconnect: (model, n) => {
    model.read(50)
    model.log += n % 3
    moves.told(model, n)
  },
  toggle: (model) => model.feed({ type: model.state.opened ? 'close' : 'open' }),
  retention: (model, n) => {
    model.floor = Math.min(model.log + 1, model.floor + (n % 9))
  },
  /** An administrator shows the history to all. */
  floorFalls: (model) => {
    model.floor = 1
  },
  restart: (model) => model.restart(),
  reset: (model, n) => model.reset(n % 20),
} satisfies Record<string, (model: Model, n: number) => void>

const anyMove: fc.Arbitrary<Move> = fc.tuple(
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('grow' as const, 'frames' as const, 'exchange' as const) },
    {
      weight: 6,
      arbitrary: fc.constantFrom(
        'read' as const,
        'answer' as const,
        'told' as const,
        'lag' as const,
        'overdue' as const,
        'reconnect' as const,
      ),
    },
    { weight: 3, arbitrary: fc.constantFrom('burst' as const, 'stale' as const, 'head' as const, 'toggle' as const, 'retention' as const) },
    { weight: 1, arbitrary: fc.constantFrom('flood' as const, 'floorFalls' as const, 'restart' as const, 'reset' as const) },
  ),
  fc.nat(1_500),
)

describe('the position of a conversation, against a model', () => {
  it('tells every seq once, ascending, knows what it left out, and is live only where nothing seen is missing', () => {
    fc.assert(
      fc.property(fc.array(anyMove, { maxLength: 100, size: 'max' }), (history) => {
        const model = new Model()
        for (const [name, n] of history) (moves[name] as (model: Model, n: number) => void)(model, n)
        // Everything heals: the conversation is opened, told of, and its pulls are answered.
        if (!model.state.opened) model.feed({ type: 'open' })
        moves.told(model, 0)
        for (let i = 0; model.pull && i < 100; i++) moves.exchange(model)
        moves.overdue(model)
        for (let i = 0; model.pull && i < 100; i++) moves.exchange(model)
        expect(syncOf(model.state)).toBe('live')
        expect(model.stored).toBe(model.log)
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
