import { ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { createAcks } from '../src/conversation/acks.js'
import { VirtualClock } from './support/virtual-time.js'

interface Frame {
  readonly id: string
  readonly epoch: number
  readonly acks: readonly object[]
}

function started() {
  const clock = new VirtualClock()
  const frames: Frame[] = []
  const acks = createAcks(
    clock,
    () => 7,
    (_, body, id) => frames.push({ ...JSON.parse(JSON.stringify(body)), id }) > 0,
  )
  acks.resume()
  return { clock, frames, acks, told: () => frames.map((frame) => frame.acks) }
}
const A = (deliveredSeq: number) => ({ conversationId: 'a', deliveredSeq })
const B = (deliveredSeq: number) => ({ conversationId: 'b', deliveredSeq })

describe('acknowledgements', () => {
  it('has one frame under way, and sends what came meanwhile once that is confirmed', async () => {
    const { clock, frames, acks, told } = started()
    acks.delivered('a', 1)
    await clock.advance(1)
    acks.delivered('a', 2)
    acks.read('b', 5)
    await clock.advance(5_000)
    expect(frames).toEqual([{ id: 'ack-1', epoch: 7, acks: [A(1)] }])
    expect(acks.settle('ack-1')).toBe(true)
    await clock.advance(1)
    expect(told()).toEqual([[A(1)], [A(2), { conversationId: 'b', readSeq: 5 }]])
  })

  it('says all that is not confirmed when it has to speak at once', async () => {
    const { clock, acks, told } = started()
    acks.delivered('a', 1)
    await clock.advance(1)
    acks.delivered('b', 3)
    acks.flush()
    expect(told()[1]).toEqual(expect.arrayContaining([A(1), B(3)]))
    // The answer to the first says nothing of the second.
    expect(acks.settle('ack-1')).toBe(true)
    acks.pause()
    acks.resume()
    await clock.advance(1_000)
    expect(told()[2]).toEqual(expect.arrayContaining([A(1), B(3)]))
  })

  it('repeats what was put off or not answered, never what was refused for good', async () => {
    const { clock, acks, told } = started()
    acks.delivered('a', 1)
    await clock.advance(1)
    acks.settle('ack-1', new ImError('BUSY', { retryAfterMs: 3_000 }))
    await clock.advance(2_900)
    expect(told()).toHaveLength(1)
    await clock.advance(200)
    expect(told()).toEqual([[A(1)], [A(1)]])
    await clock.advance(10_100)
    expect(told()).toHaveLength(3)
    acks.settle('ack-3', new ImError('NOT_FOUND'))
    await clock.advance(60_000)
    expect(told()).toHaveLength(3)
    expect(acks.settle('another', new ImError('BUSY'))).toBe(false)
  })

  it('puts at most a hundred conversations into a frame, and forgets all with the epoch', async () => {
    const { clock, acks, told } = started()
    for (let i = 0; i < 150; i++) acks.delivered(`c${i}`, 1)
    await clock.advance(1)
    acks.settle('ack-1')
    await clock.advance(1_000)
    expect(told().map(({ length }) => length)).toEqual([100, 50])
    acks.delivered('a', 1)
    acks.reset()
    await clock.advance(60_000)
    expect([told().length, clock.pending]).toEqual([2, 0])
  })
})
