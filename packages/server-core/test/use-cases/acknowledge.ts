import { SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { LaneOrder } from '../../src/app/lane-order.js'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { gated, type Gate } from '../support/wrapped-storage.js'
import type { OpenStage } from './stage.js'

const limits = { sendsPerSecond: 10_000, sendBurst: 10_000, frameBurst: 1_000 }

/** A node with `messages` of Alice to Bob. */
async function arrange(open: OpenStage, messages: number) {
  const stage = await open()
  const gate: Gate = {}
  const node = await stage.node({ storage: gated(stage.storage, gate), limits })
  const [alice, bob, conversationId] = [stage.principal('alice'), stage.principal('bob'), stage.direct('alice', 'bob')]
  const order = new LaneOrder()
  const request = validate(sendRequest, { toUserId: bob.userId, body: { type: 'text', text: 'x' } })
  await Promise.all(Array.from({ length: messages }, () => node.send.execute(alice, request, order)))
  return { stage, gate, node, alice, bob, conversationId }
}

export function acknowledgeCases(open: OpenStage): void {
  it('moves forward only, delivered and read together or apart, read implying delivered', async () => {
    const { node, bob, conversationId } = await arrange(open, 10)
    const ack = async (positions: { upToSeq?: number; deliveredSeq?: number; readSeq?: number }) => {
      const [result] = await node.acknowledge.now(bob, { acks: [{ conversationId, ...positions }] })
      return [result?.deliveredSeq, result?.readSeq, result?.unread]
    }
    expect(await ack({ deliveredSeq: 4 })).toEqual([4, 0, 10])
    expect(await ack({ readSeq: 2 })).toEqual([4, 2, 8])
    expect(await ack({ readSeq: 6 })).toEqual([6, 6, 4])
    expect(await ack({ upToSeq: 3 })).toEqual([6, 6, 4])
    expect(await ack({ upToSeq: 8 })).toEqual([8, 8, 2])
    // Beyond the head is cut down to it.
    expect(await ack({ deliveredSeq: 1_000_000, readSeq: 9 })).toEqual([10, 9, 1])
    // Twice is once.
    expect(await ack({ upToSeq: 10 })).toEqual([10, 10, 0])
    expect(await ack({ upToSeq: Number.MAX_SAFE_INTEGER })).toEqual([10, 10, 0])
  })

  it('answers each of one request’s positions of one conversation as if they came one after another', async () => {
    const { node, bob, conversationId } = await arrange(open, 10)
    const acks = [{ upToSeq: 3 }, { deliveredSeq: 8 }, { readSeq: 2 }, { readSeq: 5 }].map((ack) => ({ conversationId, ...ack }))
    const results = await node.acknowledge.now(bob, { acks })
    expect(results.map(({ deliveredSeq, readSeq, unread }) => [deliveredSeq, readSeq, unread])).toEqual([
      [3, 3, 7],
      [8, 3, 7],
      [8, 3, 7],
      [8, 5, 5],
    ])
  })

  it('leaves out what one is not in, and moves nothing there', async () => {
    const { stage, node, bob, conversationId } = await arrange(open, 1)
    const acks = [
      { conversationId: 'g~none', upToSeq: 1 },
      { conversationId, upToSeq: 1 },
    ]
    expect(await node.acknowledge.now(stage.principal('mallory'), { acks })).toEqual([])
    expect(await node.acknowledge.now(bob, { acks })).toMatchObject([{ conversationId, deliveredSeq: 1 }])
  })

  it('refuses another epoch, at once or later', async () => {
    const { node, bob, conversationId } = await arrange(open, 1)
    const request = { epoch: node.epoch.current + 1, acks: [{ conversationId, upToSeq: 1 }] }
    await expect(node.acknowledge.now(bob, request)).rejects.toMatchObject({ code: 'EPOCH_CHANGED' })
    await expect(node.acknowledge.soon(bob, request)).rejects.toMatchObject({ code: 'EPOCH_CHANGED' })
    await node.acknowledge.now(bob, { ...request, epoch: node.epoch.current })
    expect((await node.storage.readMember(conversationId, bob.userId))?.member?.readSeq).toBe(1)
  })

  it('never runs ahead of what a member who left could see', async () => {
    const { stage, node, bob, conversationId } = await arrange(open, 5)
    await stage.arrangeMember('bob', conversationId, { leaveSeq: 3 })
    expect(await node.acknowledge.now(bob, { acks: [{ conversationId, upToSeq: 5 }] })).toMatchObject([{ deliveredSeq: 3, readSeq: 3 }])
  })

  it('ends at the furthest position, whatever order three nodes write in', async () => {
    const { stage, bob, conversationId } = await arrange(open, 20)
    const nodes = await Promise.all(stage.storages.map((storage) => stage.node({ storage })))
    const seqs = Array.from({ length: 20 }, (_, i) => ((i * 7) % 20) + 1)
    await Promise.all(
      seqs.map((seq, i) =>
        nodes[i % 3]?.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: seq, readSeq: Math.ceil(seq / 2) }] }),
      ),
    )
    expect((await stage.storage.readMember(conversationId, bob.userId))?.member).toMatchObject({
      ...{ deliveredSeq: 20, readSeq: 10, readOrd: 10 },
    })
  })

  describe('that are gathered', () => {
    it('are written within a second, and their receipts follow', async () => {
      const { node, alice, bob, conversationId } = await arrange(open, 9)
      const [alices, bobs] = [await node.client(alice.userId), await node.client(bob.userId)]
      for (const [i, deliveredSeq] of [3, 7, 5].entries()) {
        const body = JSON.stringify({ acks: [{ conversationId, deliveredSeq }] })
        bobs.send('SEND', { destination: SEND_DESTINATIONS.ack, receipt: `a${i}` }, body)
      }
      await node.clock.advance(900)
      expect(bobs.frames('RECEIPT')).toEqual([])
      await node.clock.advance(200)
      expect(bobs.frames('RECEIPT')).toHaveLength(3)
      const member = (await node.storage.readMember(conversationId, bob.userId))?.member
      expect(member).toMatchObject({ deliveredSeq: 7, readSeq: 0 })
      // Alice’s ticks, once, and Bob’s other devices.
      expect(alices.bodies('/user/queue/session')).toMatchObject([
        { event: 'receipt', conversationId, userId: bob.userId, deliveredSeq: 7 },
      ])
      expect(bobs.bodies('/user/queue/session')).toMatchObject([{ event: 'cursor', conversationId, deliveredSeq: 7 }])
    })

    it('are answered as refused when storage is away, and written when they come again', async () => {
      const { gate, node, bob, conversationId } = await arrange(open, 3)
      gate.before = (method) => {
        if (method === 'advanceCursors') throw new Error('away')
      }
      const outcome = node.acknowledge.soon(bob, { acks: [{ conversationId, upToSeq: 2 }] }).catch((error: Error) => error.message)
      await node.clock.advance(1_000)
      expect(await outcome).toBe('away')
      gate.before = undefined
      const again = node.acknowledge.soon(bob, { acks: [{ conversationId, upToSeq: 2 }] })
      await node.clock.advance(1_000)
      await again
      expect((await node.storage.readMember(conversationId, bob.userId))?.member).toMatchObject({ deliveredSeq: 2, readSeq: 2 })
    })
  })
}
