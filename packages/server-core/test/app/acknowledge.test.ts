import { ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Acknowledge } from '../../src/app/acknowledge.js'
import { memoryUnreadBadges } from '../../src/memory/index.js'
import type { CursorMove, CursorState, Principal } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'

const bob: Principal = { userId: 'bob', userType: 'user' }

describe('gathered acknowledgements', () => {
  function held() {
    const clock = new TestClock()
    const writes: { readonly moves: readonly CursorMove[]; resolve(held?: string): void; reject(error: unknown): void }[] = []
    const moved: string[] = []
    const epoch = { now: 1 }
    const storage = {
      advanceCursors: (moves: readonly CursorMove[]) =>
        new Promise<readonly (CursorState | undefined)[]>((resolve, reject) => {
          const stateOf = ({ conversationId: id, deliveredSeq = 0, readSeq = 0 }: CursorMove, held?: string): CursorState =>
            id === held
              ? { deliveredSeq: 0, readSeq: 0, unread: 0, headOrd: 0, moved: false, held: true }
              : { deliveredSeq, readSeq, unread: 0, headOrd: 0, moved: true }
          writes.push({ moves, resolve: (held) => resolve(moves.map((move) => stateOf(move, held))), reject })
        }),
    }
    const acknowledge = new Acknowledge({
      storage,
      clock,
      badges: memoryUnreadBadges({ clock }),
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      epoch: () => epoch.now,
      onMoved: (userId, id, { deliveredSeq }) => moved.push(`${userId} ${id} ${deliveredSeq}`),
    })
    return { clock, writes, moved, epoch, acknowledge }
  }

  it('are written once a second, the highest of each, in one order for all nodes', async () => {
    const { clock, writes, moved, acknowledge } = held()
    const told: string[] = []
    const soon = (userId: string, id: string, deliveredSeq: number): void => {
      void acknowledge
        .soon({ userId, userType: 'user' }, { acks: [{ conversationId: id, deliveredSeq }] })
        .then(() => told.push(`${userId} ${id} ${deliveredSeq}`))
    }
    soon('bob', 'g~2', 5)
    soon('bob', 'g~2', 9)
    soon('bob', 'g~2', 7)
    soon('bob', 'g~1', 1)
    soon('ann', 'g~2', 3)
    await clock.advance(999)
    expect(writes).toHaveLength(0)
    await clock.advance(1)
    expect(writes[0]?.moves.map((move) => `${move.conversationId} ${move.userId} ${move.deliveredSeq}`)).toEqual([
      'g~1 bob 1',
      'g~2 ann 3',
      'g~2 bob 9',
    ])
    // Answered when written, not before.
    expect(told).toEqual([])
    writes[0]?.resolve()
    await clock.settle()
    expect(told).toHaveLength(5)
    expect(moved).toEqual(['bob g~1 1', 'ann g~2 3', 'bob g~2 9'])
  })

  it('that come while others are being written go with the next, which waits its turn', async () => {
    const { clock, writes, acknowledge } = held()
    void acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: 1 }] })
    await clock.advance(1_000)
    void acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: 2 }] })
    await clock.advance(5_000)
    expect(writes).toHaveLength(1)
    writes[0]?.resolve()
    await clock.settle()
    expect(writes).toHaveLength(2)
    writes[1]?.resolve()
    await acknowledge.flush()
  })

  it('that one user floods are refused, and delay nobody else’s', async () => {
    const { clock, writes, acknowledge } = held()
    const flood = (page: number): Promise<unknown> =>
      acknowledge
        .soon(bob, { acks: Array.from({ length: 200 }, (_, i) => ({ conversationId: `g~${page}-${i}`, deliveredSeq: 1 })) })
        .catch((error: ImError) => error.code)
    const outcomes = Array.from({ length: 50 }, (_, page) => flood(page))
    let answered = false
    void acknowledge.soon({ userId: 'ann', userType: 'user' }, { acks: [{ conversationId: 'g~1', deliveredSeq: 1 }] }).then(() => {
      answered = true
    })
    await clock.advance(1_000)
    for (let slice = 0; slice < 6; slice++) {
      writes[slice]?.resolve()
      await clock.settle()
    }
    expect(answered).toBe(true)
    expect(writes).toHaveLength(6)
    expect((await Promise.all(outcomes)).filter((code) => code === 'BUSY')).toHaveLength(45)
  })

  it('are folded while storage is slow, so that what waits does not grow with time', async () => {
    const { clock, writes, acknowledge } = held()
    for (let second = 1; second <= 30; second++) {
      void acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: second }] })
      await clock.advance(1_000)
    }
    expect(writes).toHaveLength(1)
    writes[0]?.resolve()
    await clock.settle()
    expect(writes[1]?.moves).toMatchObject([{ conversationId: 'g~1', deliveredSeq: 30 }])
    writes[1]?.resolve()
    await acknowledge.flush()
    expect(writes).toHaveLength(2)
  })

  it('of a row that somebody keeps locked are told so, kept, and written when it is free; the others are settled', async () => {
    const { clock, writes, moved, acknowledge } = held()
    const soon = (id: string, deliveredSeq: number): Promise<string> =>
      acknowledge.soon(bob, { acks: [{ conversationId: id, deliveredSeq }] }).then(
        () => 'written',
        (error: ImError) => `${error.code} ${error.retryAfterMs}`,
      )
    const first = [soon('g~1', 5), soon('g~2', 5)]
    await clock.advance(1_000)
    writes[0]?.resolve('g~1')
    expect(await Promise.all(first)).toEqual(['BUSY 1000', 'written'])
    expect(moved).toEqual(['bob g~2 5'])
    // Folded with what comes meanwhile, and never lower than what was kept.
    const second = soon('g~1', 3)
    await clock.advance(1_000)
    expect(writes[1]?.moves).toMatchObject([{ conversationId: 'g~1', deliveredSeq: 5 }])
    writes[1]?.resolve('g~1')
    expect(await second).toBe('BUSY 1000')
    await clock.advance(1_000)
    writes[2]?.resolve()
    await clock.settle()
    expect(moved).toEqual(['bob g~2 5', 'bob g~1 5'])
    await clock.advance(5_000)
    expect(writes, 'nothing is left to write').toHaveLength(3)
  })

  it('of an epoch that has ended meanwhile are refused, as their seqs may be other entries by now', async () => {
    const { clock, writes, epoch, acknowledge } = held()
    const told: string[] = []
    const soon = (id: string, deliveredSeq: number, of: number): void => {
      const request = { epoch: of, acks: [{ conversationId: id, deliveredSeq }] }
      acknowledge.soon(bob, request).then(
        () => told.push(`${id} ${deliveredSeq}`),
        (error: ImError) => told.push(`${id} ${deliveredSeq} ${error.code}`),
      )
    }
    soon('g~1', 9, 1)
    soon('g~2', 8, 1)
    epoch.now = 2
    soon('g~2', 3, 2)
    await clock.advance(1_000)
    expect(writes.flatMap(({ moves }) => moves.map(({ conversationId, deliveredSeq }) => `${conversationId} ${deliveredSeq}`))).toEqual([
      'g~2 3',
    ])
    writes[0]?.resolve()
    await clock.settle()
    expect(told.sort()).toEqual(['g~1 9 EPOCH_CHANGED', 'g~2 3', 'g~2 8 EPOCH_CHANGED'])
  })

  it('fail each with its slice and no other', async () => {
    const { clock, writes, acknowledge } = held()
    const acks = Array.from({ length: 150 }, (_, i) => ({ conversationId: `g~${1_000 + i}`, deliveredSeq: 1 }))
    const first = acknowledge.soon(bob, { acks }).then(
      () => 'written',
      (error: ImError) => error.code,
    )
    const second = acknowledge
      .soon(bob, { acks: acks.map((ack) => ({ ...ack, conversationId: ack.conversationId.replace('1', '2') })) })
      .then(
        () => 'written',
        (error: ImError) => error.code,
      )
    await clock.advance(1_000)
    expect(writes[0]?.moves).toHaveLength(200)
    writes[0]?.resolve()
    await clock.settle()
    writes[1]?.reject(new ImError('UNAVAILABLE'))
    await clock.settle()
    expect(await Promise.all([first, second])).toEqual(['written', 'UNAVAILABLE'])
    // And the next ones are written as if nothing had been.
    const next = acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: 1 }] })
    await clock.advance(1_000)
    writes[2]?.resolve()
    await expect(next).resolves.toBeUndefined()
  })
})
