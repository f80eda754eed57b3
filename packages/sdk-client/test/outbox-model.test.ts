import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Attempt, type Call, OutboxWorld } from './support/outbox-world.js'

type Move = (world: OutboxWorld, n: number) => unknown

const pick = <T>(all: readonly T[], n: number): T | undefined => all[n % Math.max(1, all.length)]
const withAttempt = (world: OutboxWorld, n: number, fn: (attempt: Attempt) => void): void => {
  const attempt = pick(world.attempts, n)
  if (attempt) fn(attempt)
}
const withCall = (world: OutboxWorld, n: number, fn: (call: Call) => void): void => {
  const call = pick(world.calls, n)
  if (call) fn(call)
}
const LONG_MS = [3_600_000, 25 * 3_600_000, 8 * 24 * 3_600_000]

/** What can happen; `n` is any number up to 1 000. */
const moves = {
  send: (world, n) => world.send(`d~alice~u${n % 3}`),
  burst: (world, n) => {
    for (let i = 0; i <= n % 12; i++) world.send(`d~alice~u${i}`)
  },
  connect: (world) => world.connect(),
  disconnect: (world) => world.disconnect(),
  disk: (world, n) => world.flush(1 + (n % 4)),
  receipt: (world, n) => withAttempt(world, n, (attempt) => world.commit(attempt, 'receipt')),
  echo: (world, n) => withAttempt(world, n, (attempt) => world.commit(attempt, 'echo')),
  lostAnswer: (world, n) => withAttempt(world, n, (attempt) => world.commit(attempt, 'nothing')),
  lostFrame: (world, n) => withAttempt(world, n, (attempt) => world.drop(attempt)),
  never: (world, n) => withAttempt(world, n, (attempt) => world.refuse(attempt, 'MUTED')),
  later: (world, n) => withAttempt(world, n, (attempt) => world.refuse(attempt, 'BUSY')),
  /** A page shows what has been in the log for long. */
  page: (world, n) => withCall(world, n, (call) => world.echo(call)),
  time: (world, n) => world.clock.advance(n % 2 ? 1_000 : 11_000),
  /** Apart from a connection, or it would be tried for days. */
  days: (world, n) => (world.connected ? undefined : world.clock.advance(pick(LONG_MS, n) as number)),
  cancel: (world, n) => withCall(world, n, (call) => world.cancel(call, n % 2 === 0)),
  retry: (world, n) => world.retry(n % 2 ? pick(world.calls, n) : undefined),
  crash: (world, n) => world.start(n % 5, n % 2 === 0),
} satisfies Record<string, Move>

const anyMove = fc.tuple(
  fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom('send' as const, 'disk' as const, 'receipt' as const, 'connect' as const) },
    {
      weight: 5,
      arbitrary: fc.constantFrom('echo' as const, 'lostAnswer' as const, 'lostFrame' as const, 'later' as const, 'time' as const),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom('never' as const, 'page' as const, 'cancel' as const, 'retry' as const, 'disconnect' as const),
    },
    { weight: 1, arbitrary: fc.constantFrom('burst' as const, 'days' as const, 'crash' as const) },
  ),
  fc.nat(1_000),
)

describe('the outbox, against a model', () => {
  it('sends in order, one at a time, with what it said first, settles everything truly, and loses nothing over a crash', async () => {
    let crashes = 0
    let failures = 0
    await fc.assert(
      fc.asyncProperty(fc.array(anyMove, { maxLength: 80, size: 'max' }), async (history) => {
        const world = new OutboxWorld()
        await world.start()
        for (const [name, n] of history) {
          await (moves[name] as Move)(world, n)
          await world.check()
          if (name === 'crash') crashes++
        }
        failures += world.calls.filter(({ failed }) => failed).length
        await world.heal()
      }),
      {
        numRuns: 300,
        examples: [
          // The word of an earlier attempt was taken for that of the one after a retry.
          [
            [
              ['send', 0],
              ['connect', 0],
              ['disconnect', 0],
              ['days', 1],
              ['retry', 0],
              ['connect', 0],
              ['disk', 1],
              ['disk', 1],
            ],
          ],
        ],
      },
    )
    // A generator that does nothing proves nothing.
    expect([crashes > 100, failures > 100]).toEqual([true, true])
  }, 120_000)
})
