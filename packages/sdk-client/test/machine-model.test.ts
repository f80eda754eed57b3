import { ImError } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ConnectionEvent, type ConnectionState, INITIAL, step } from '../src/connection/machine.js'

const policies = [true, false].map((enabled) => ({ enabled, minDelayMs: 1_000, maxDelayMs: 30_000 }))

/**
 * What a supervisor has at hand: at most one token call, one socket, one timer. The world it lives in answers only what was asked: no token
 * without a call, no CONNECTED without a socket. The machine is right when that world never has two of anything and never stands still.
 */
class Model {
  state: ConnectionState = INITIAL
  calling = false
  socket: 'none' | 'opening' | 'open' | 'ending' = 'none'
  timer = false
  /** What the host has asked for last. */
  wanted = false
  /** Why nothing is tried any more, since the last connect. */
  final = false

  constructor(readonly policy: (typeof policies)[number]) {}

  feed(event: ConnectionEvent): void {
    const before = this.state
    const [next, effects] = step(before, event, this.policy)
    this.state = next
    if (event.type === 'connect') {
      if (before.phase === 'idle' || before.phase === 'closed' || before.phase === 'closing') this.final = false
      this.wanted = true
    }
    if (event.type === 'disconnect') this.wanted = false
    for (const effect of effects) {
      if (effect.type === 'discard') {
        this.calling = false
        this.socket = 'none'
      } else if (effect.type === 'fetch') {
        // A call under way was dropped, or it could answer for the new one.
        expect([this.calling, this.socket]).toEqual([false, 'none'])
        this.calling = true
      } else if (effect.type === 'open') {
        expect(this.socket).toBe('none')
        this.socket = 'opening'
      } else if (effect.type === 'wait') {
        const { minMs, maxMs } = effect.span
        expect(minMs >= 0 && minMs <= maxMs && maxMs <= 60_000).toBe(true)
        const { retryAfterMs } = (event as { error?: ImError }).error ?? {}
        if (retryAfterMs !== undefined) expect(minMs).toBeGreaterThanOrEqual(retryAfterMs)
        this.timer = true
      } else if (effect.type === 'end') {
        expect(this.socket).toBe('open')
        this.socket = 'ending'
      } else expect(this.socket).toBe('open')
    }
    // As the supervisor does it.
    if (next.phase !== 'waiting' && !next.draining) this.timer = false
    if (event.type === 'refused' && before.phase !== 'closing' && before.phase !== 'idle') this.final = true
    if ((event.type === 'lost' || event.type === 'expired') && !this.policy.enabled && next.phase === 'closed') this.final = true
    this.judge()
  }

  private judge(): void {
    const { phase, draining, error } = this.state
    const has = { calling: this.calling, socket: this.socket, timer: this.timer }
    const none = { calling: false, socket: 'none', timer: false }
    if (phase === 'fetching') expect(has).toEqual({ ...none, calling: true })
    else if (phase === 'opening') expect(has).toEqual({ ...none, socket: 'opening' })
    else if (phase === 'open') expect(has).toEqual({ ...none, socket: 'open', timer: draining })
    else if (phase === 'closing') expect(has).toEqual({ ...none, socket: 'ending' })
    else if (phase === 'waiting') expect(has).toEqual({ ...none, timer: true })
    else expect(has).toEqual(none)
    // It tries for as long as it is wanted and may, and no longer.
    expect(['idle', 'closing'].includes(phase)).toBe(!this.wanted)
    expect(phase === 'closed').toBe(this.wanted && this.final)
    if (phase === 'closed') expect(error).toBeDefined()
  }
}

const error = new ImError('OFFLINE')
const busy = new ImError('BUSY', { retryAfterMs: 20_000 })

/** What can happen; each only where the world can do it. */
const moves = {
  connect: (model) => model.feed({ type: 'connect' }),
  disconnect: (model) => model.feed({ type: 'disconnect' }),
  token: (model) => {
    if (!model.calling) return
    model.calling = false
    model.feed({ type: 'token' })
  },
  tokenFails: (model) => {
    if (!model.calling) return
    model.calling = false
    model.feed({ type: 'lost', error })
  },
  opened: (model) => {
    if (model.socket !== 'opening') return
    model.socket = 'open'
    model.feed({ type: 'opened', windowMs: 5_000 })
  },
  socketEnds: (model) => {
    if (model.socket === 'none') return
    model.socket = 'none'
    model.feed({ type: 'lost', error })
  },
  /** Nothing is heard of it any more, though the runtime says that it is open. */
  fallsSilent: (model) => {
    if (model.socket !== 'none') model.feed({ type: 'lost', error })
  },
  busy: (model) => {
    if (model.socket === 'none') return
    model.socket = 'none'
    model.feed({ type: 'lost', error: busy })
  },
  expired: (model) => {
    if (model.socket === 'none') return
    model.socket = 'none'
    model.feed({ type: 'expired', error })
  },
  refused: (model) => {
    if (model.socket === 'none' && !model.calling) return
    model.feed({ type: 'refused', error })
  },
  timer: (model) => {
    if (!model.timer) return
    model.timer = false
    model.feed({ type: 'timer' })
  },
  stable: (model) => {
    if (model.socket === 'open') model.feed({ type: 'stable' })
  },
  wake: (model) => model.feed({ type: 'wake' }),
  drain: (model) => {
    if (model.socket === 'open') model.feed({ type: 'drain', inMs: 700 })
  },
  /** The answer to a call, or the end of a socket, that was given up for another. */
  late: (model) => {
    if (!model.calling) model.feed({ type: 'token' })
  },
} satisfies Record<string, (model: Model) => void>

const names = Object.keys(moves) as (keyof typeof moves)[]

describe('a connection, against a model', () => {
  it('has one of everything, tries while it is wanted and may, and never stands still', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...policies),
        fc.array(fc.constantFrom(...names, 'connect' as const, 'token' as const, 'opened' as const), { maxLength: 80, size: 'max' }),
        (policy, history) => {
          const model = new Model(policy)
          for (const name of history) moves[name](model)
          // Whatever happened, disconnect rests and connect tries.
          moves.disconnect(model)
          if (model.state.phase === 'closing') moves.socketEnds(model)
          expect(model.state.phase).toBe('idle')
          moves.connect(model)
          expect(model.state.phase).toBe('fetching')
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
