import { directConversationId, ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Fleet } from './fleet.js'

const GROUP = 'g~g'
const down = (): never => {
  throw new ImError('UNAVAILABLE', { retryAfterMs: 1_000 })
}

describe('an outage of storage', () => {
  it.each(['memberships', 'readHeads', 'summaries'])(
    'during an attach rejects it when %s cannot be read; the next one succeeds',
    async (method) => {
      const fleet = await Fleet.start(1)
      await fleet.group('g', ['ann', 'bob'])
      fleet.node(0).gate.before = (name) => (name === method ? down() : undefined)
      const ann = fleet.recorder(0, 'ann')
      await expect(ann.attach()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      fleet.node(0).gate.before = undefined
      await fleet.append(0, GROUP)
      await ann.attach()
      await fleet.append(0, GROUP)
      await fleet.quiet()
      expect(fleet.faults()).toEqual([])
      expect(ann.summaryHead(GROUP)).toBe(1)
      expect(ann.seqs(GROUP).at(-1)).toBe(2)
    },
  )

  it('does not keep one member waiting for ever because another’s attach failed', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann', 'bob'])
    fleet.node(0).gate.before = (name) => (name === 'readHeads' ? down() : undefined)
    await expect(fleet.recorder(0, 'ann').attach()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    fleet.node(0).gate.before = undefined
    const bob = await fleet.attached(0, 'bob')
    await fleet.append(0, GROUP)
    expect(bob.seqs(GROUP)).toEqual([1])
  })

  it('during the read of a hole keeps the order and loses nothing', async () => {
    const fleet = await Fleet.start(2)
    await fleet.group('g', ['ann'])
    const ann = await fleet.attached(0, 'ann')
    fleet.node(0).gate.before = down
    fleet.wire.mode = 'lose'
    for (let i = 0; i < 5; i++) await fleet.append(1, GROUP)
    fleet.wire.mode = 'flow'
    for (let i = 0; i < 5; i++) await fleet.append(1, GROUP)
    await fleet.clock.advance(60_000)
    expect(ann.seqs(GROUP)).toEqual([])
    fleet.node(0).gate.before = undefined
    await fleet.quiet()
    expect(ann.seqs(GROUP)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('during the reads of the feed costs time only', async () => {
    const fleet = await Fleet.start(2)
    await fleet.group('g', ['ann'])
    const ann = await fleet.attached(0, 'ann')
    fleet.wire.mode = 'lose'
    fleet.node(0).gate.before = down
    for (let i = 0; i < 5; i++) await fleet.append(1, GROUP)
    await fleet.clock.advance(20_000)
    fleet.node(0).gate.before = undefined
    await fleet.clock.advance(2_100)
    expect(ann.seqs(GROUP)).toEqual([1, 2, 3, 4, 5])
  })

  it('ends with an ended read only: a slow read is not repeated beside itself', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann'])
    await fleet.attached(0, 'ann')
    let running = 0
    let most = 0
    fleet.node(0).gate.before = (method) => {
      if (method !== 'changes') return undefined
      most = Math.max(most, ++running)
      return new Promise<void>((resolve) =>
        fleet.clock.after(7_000, () => {
          running--
          resolve()
        }),
      )
    }
    fleet.wire.interrupt()
    fleet.wire.mend()
    await fleet.clock.advance(60_000)
    expect(most).toBe(1)
  })
})

describe('a first direct message', () => {
  const places = [
    { title: 'on the receiver’s node', from: 0, loss: 'flow' },
    { title: 'on another node', from: 1, loss: 'flow' },
    { title: 'on the receiver’s node, with no bus', from: 0, loss: 'down' },
    { title: 'on another node, with no bus', from: 1, loss: 'down' },
    { title: 'on another node, its frame lost unnoticed', from: 1, loss: 'lose' },
  ] as const
  it.each(places)('sent $title comes live, once, and so does the next', async ({ from, loss }) => {
    const fleet = await Fleet.start(2)
    const id = directConversationId('ann', 'bob')
    const bob = await fleet.attached(0, 'bob')
    const other = await fleet.attached(1, 'bob')
    if (loss === 'down') fleet.wire.interrupt()
    else fleet.wire.mode = loss
    await fleet.direct(from, 'ann', 'bob')
    await fleet.clock.advance(loss === 'flow' ? 0 : loss === 'down' ? 300 : 2_000)
    expect([bob.seqs(id), other.seqs(id)]).toEqual([[1], [1]])
    await fleet.direct(1 - from, 'bob', 'ann')
    await fleet.quiet()
    expect([bob.seqs(id), other.seqs(id)]).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(fleet.faults()).toEqual([])
  })

  it('comes although the frame of the second one is the first to arrive', async () => {
    const fleet = await Fleet.start(2)
    const id = directConversationId('ann', 'bob')
    const bob = await fleet.attached(0, 'bob')
    fleet.wire.mode = 'hold'
    await fleet.direct(1, 'ann', 'bob')
    await fleet.direct(1, 'ann', 'bob')
    const [first, second] = fleet.wire.held.splice(0)
    second?.arrive()
    await fleet.clock.advance(50)
    first?.arrive()
    await fleet.quiet()
    expect(bob.seqs(id)).toEqual([1, 2])
  })

  it('reaches both, whatever of the sender’s connections are attached where', async () => {
    const fleet = await Fleet.start(2)
    const id = directConversationId('ann', 'bob')
    const everybody = [await fleet.attached(0, 'ann'), await fleet.attached(1, 'ann'), await fleet.attached(0, 'bob')]
    const sent = fleet.direct(0, 'ann', 'bob')
    everybody.push(await fleet.attached(0, 'ann'), await fleet.attached(1, 'bob'))
    await sent
    await fleet.quiet()
    expect(fleet.faults()).toEqual([])
    for (const recorder of everybody.slice(0, 3)) expect(recorder.seqs(id)).toEqual([1])
  })
})
