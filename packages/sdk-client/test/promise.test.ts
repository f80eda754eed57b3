import fc from 'fast-check'
import { describe, it } from 'vitest'
import { DeviceWorld, DIRECT } from './support/device-world.js'

type Move = (world: DeviceWorld, n: number) => unknown

const runOf = (world: DeviceWorld, n: number) => world.runs[n % Math.max(1, world.runs.length)]

/** What can happen to one device; `n` is any number up to 1 000. */
const moves = {
  write: (world, n) => world.write(1 + (n % 5), n),
  flood: (world, n) => world.write(40 + (n % 40), n),
  send: (world, n) => world.send(runOf(world, n)),
  lossySend: (world, n) => {
    world.loseEcho = n % 2 === 0
    world.loseReceipt = n % 3 === 0
    world.send(runOf(world, n))
  },
  heal: (world) => {
    world.loseEcho = world.loseReceipt = false
    world.diskMs = 0
  },
  slowDisk: (world, n) => {
    world.diskMs = n % 400
  },
  drop: (world) => world.server.live.map((connection) => connection.close(1006)),
  lag: (world) => world.lag(),
  summarise: (world) => world.summarise(),
  time: (world, n) => world.clock.advance(n % 3 === 0 ? 12_000 : n),
  open: (world, n) => world.open(runOf(world, n)),
  close: (world, n) => world.close(runOf(world, n)),
  /** Of an open one: whoever marks the list as read says so of what no device of theirs holds. */
  read: (world, n) => {
    const chat = runOf(world, n)?.im.conversations.get(DIRECT)
    if (chat?.getSnapshot().sync !== 'dormant') chat?.markRead()
  },
  notFound: (world) => world.notFound(),
  stale: (world) => world.staleAnswer(),
  start: (world) => world.start(),
  kill: (world, n) => world.kill(runOf(world, n)),
  restore: (world, n) => world.restore(n % 30),
  retention: (world, n) => world.floor(1 + (n % 60)),
  floorFalls: (world) => world.floor(1),
} satisfies Record<string, Move>

const anyMove = fc.tuple(
  fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom('write' as const, 'send' as const, 'time' as const, 'start' as const, 'open' as const) },
    { weight: 5, arbitrary: fc.constantFrom('lossySend' as const, 'heal' as const, 'summarise' as const, 'drop' as const, 'lag' as const) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        'close' as const,
        'read' as const,
        'notFound' as const,
        'kill' as const,
        'flood' as const,
        'slowDisk' as const,
      ),
    },
    { weight: 2, arbitrary: fc.constantFrom('restore' as const, 'stale' as const, 'retention' as const, 'floorFalls' as const) },
  ),
  fc.nat(1_000),
)

describe('the promise, on one device', () => {
  it('is kept over windows, reloads, losses, refusals that mean nothing, retention and restores', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyMove, { minLength: 5, maxLength: 60, size: 'max' }), async (history) => {
        const world = new DeviceWorld()
        world.start()
        for (const [name, n] of history) {
          await (moves[name] as Move)(world, n)
          await world.check()
        }
        await world.heal()
      }),
      { numRuns: 100 },
    )
  }, 120_000)
})
