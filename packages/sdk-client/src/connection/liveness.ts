import type { Clock } from '@innerline/protocol'
import { createTimer } from '../timer.js'

const TICK_MS = 5_000
const BEAT_MS = 30_000
const ANSWER_MS = 10_000
const PROBE_MS = 4_000

export interface Liveness {
  /** Beats now and expects an answer within 4 s. */
  probe(): void
  /** Any frame came in: the connection lives. */
  alive(): void
  stop(): void
}

/**
 * Watches one connection: a heads heart-beat every 30 s that must be answered, and a short tick that notices sleep (time that passed
 * without a tick). `beat` writes the heart-beat, `dead` is called when nothing came back.
 */
export function watchLiveness(clock: Clock, beat: () => void, dead: () => void): Liveness {
  const ticks = createTimer(clock)
  const beats = createTimer(clock)
  const deadline = createTimer(clock)
  let wall = clock.now()
  let steady = clock.monotonic()

  const expect = (withinMs: number) => {
    deadline.start(withinMs, dead)
    schedule()
    beat()
  }
  const schedule = () => beats.start(BEAT_MS, () => expect(ANSWER_MS))
  const probe = () => expect(PROBE_MS)
  const tick = () =>
    ticks.start(TICK_MS, () => {
      // Some machines stop the monotonic clock in sleep, some set the wall clock back: either may tell.
      const passed = Math.max(clock.now() - wall, clock.monotonic() - steady)
      wall = clock.now()
      steady = clock.monotonic()
      tick()
      if (passed > 2 * TICK_MS) probe()
    })
  tick()
  schedule()
  return {
    probe,
    alive: deadline.stop,
    stop() {
      ticks.stop()
      beats.stop()
      deadline.stop()
    },
  }
}
