import type { Cancel, Clock } from '@innerline/protocol'

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
  let cancelTick: Cancel
  let cancelDeadline: Cancel | undefined
  let wall = clock.now()
  let steady = clock.monotonic()
  let sinceBeat = 0

  const expect = (withinMs: number) => {
    sinceBeat = 0
    cancelDeadline?.()
    cancelDeadline = clock.after(withinMs, dead)
    beat()
  }
  const probe = () => expect(PROBE_MS)
  const tick = () => {
    cancelTick = clock.after(TICK_MS, () => {
      // Some machines stop the monotonic clock in sleep, some set the wall clock back: either may tell.
      const passed = Math.max(clock.now() - wall, clock.monotonic() - steady)
      wall = clock.now()
      steady = clock.monotonic()
      sinceBeat += passed
      tick()
      if (passed > 2 * TICK_MS) probe()
      else if (sinceBeat >= BEAT_MS - TICK_MS / 2) expect(ANSWER_MS)
    })
  }
  tick()
  return {
    probe,
    alive() {
      cancelDeadline?.()
      cancelDeadline = undefined
    },
    stop() {
      cancelTick()
      cancelDeadline?.()
    },
  }
}
