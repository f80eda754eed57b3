import { describe, expect, it } from 'vitest'
import { watchLiveness } from '../src/connection/liveness.js'
import { VirtualClock } from './support/virtual-time.js'

function watched() {
  const clock = new VirtualClock()
  const counts = { beats: 0, dead: 0 }
  const liveness = watchLiveness(
    clock,
    () => counts.beats++,
    () => counts.dead++,
  )
  return { clock, counts, liveness }
}

describe('the liveness of a connection', () => {
  it('beats every thirty seconds for as long as it is answered', async () => {
    const { clock, counts, liveness } = watched()
    for (let i = 0; i < 100; i++) {
      await clock.advance(1_000)
      liveness.alive()
    }
    expect(counts).toEqual({ beats: 3, dead: 0 })
    liveness.stop()
    expect(clock.pending).toBe(0)
  })

  it('waits ten seconds for the answer to a beat, four for that to a probe', async () => {
    const { clock, counts, liveness } = watched()
    await clock.advance(39_900)
    expect(counts).toEqual({ beats: 1, dead: 0 })
    await clock.advance(100)
    expect(counts.dead).toBe(1)
    liveness.probe()
    await clock.advance(3_900)
    expect(counts).toEqual({ beats: 2, dead: 1 })
    await clock.advance(100)
    expect(counts.dead).toBe(2)
  })

  it('probes when time has passed without it', async () => {
    const { clock, counts } = watched()
    await clock.advance(5_000)
    expect(counts.beats).toBe(0)
    clock.jump(11_000)
    await clock.advance(5_000)
    expect(counts.beats).toBe(1)
  })
})
