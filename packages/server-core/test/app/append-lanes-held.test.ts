import { ImError, isImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { AppendLanes } from '../../src/app/append-lanes.js'
import type { AppendBatch, AppendItem, AppendResult } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'

const item = (conversationId: string, msgId: string): AppendItem => ({
  ...{ conversationId, msgId, fromUserId: 'ann', kind: 'message', countable: true, hash: '', bodyJson: '{}', preview: '' },
  ...{ checkedAt: 1, channels: [] },
})
const held: AppendResult = { ok: false, code: 'BUSY', held: true }

/** A log in which some conversations are held, as long as the test wants. Batches that may wait for one wait for its release. */
function lockedLog() {
  const batches: AppendBatch[] = []
  const order: string[] = []
  const locks = new Map<string, { readonly released: Promise<void>; release(): void }>()
  const accept = (batch: AppendBatch): readonly AppendResult[] =>
    batch.items.map(({ conversationId, msgId }) => {
      if (locks.has(conversationId)) return held
      order.push(msgId)
      return { ok: true, seq: order.length, ord: order.length, timestamp: batch.now, duplicate: false, memberVersion: 1 }
    })
  return {
    batches,
    order,
    hold(conversationId: string) {
      let release = (): void => {}
      const released = new Promise<void>((resolve) => {
        release = () => {
          locks.delete(conversationId)
          resolve()
        }
      })
      locks.set(conversationId, { released, release })
      return release
    },
    clock: new TestClock(),
    failNext: false,
    async appendMessages(batch: AppendBatch) {
      batches.push(batch)
      const lock = locks.get(batch.items[0]?.conversationId ?? '')
      if ((batch.waitMs ?? 0) > 0 && lock !== undefined) {
        const { clock } = this
        await Promise.race([lock.released, new Promise<void>((resolve) => void clock.after(batch.waitMs ?? 0, resolve))])
      }
      await undefined
      if (this.failNext) {
        this.failNext = false
        throw new ImError('UNAVAILABLE')
      }
      return accept(batch)
    },
  }
}

function lanesOver(log: ReturnType<typeof lockedLog>, queueItems = 1_000) {
  return new AppendLanes({ storage: log, clock: log.clock, nodeId: 'n', lanes: 1, queueItems, onCommitted: () => undefined })
}

describe('a conversation that another transaction keeps locked', () => {
  it('delays nobody else in its lane', async () => {
    const log = lockedLog()
    const lanes = lanesOver(log)
    const release = log.hold('slow')
    let answered = false
    const slow = lanes.append(item('slow', 's1')).then((result) => {
      answered = true
      return result
    })
    expect(await lanes.append(item('quick', 'q1'))).toMatchObject({ ok: true })
    expect(await lanes.append(item('quick', 'q2'))).toMatchObject({ ok: true })
    expect(answered).toBe(false)
    release()
    expect(await slow).toMatchObject({ ok: true })
    expect(lanes.depth).toBe(0)
  })

  it('keeps the order of its own items, those queued, those that come meanwhile and those that come after', async () => {
    const log = lockedLog()
    const lanes = lanesOver(log)
    const release = log.hold('slow')
    const sent = [lanes.append(item('slow', '1'))]
    await log.clock.settle()
    sent.push(lanes.append(item('slow', '2')), lanes.append(item('quick', 'q')), lanes.append(item('slow', '3')))
    await log.clock.settle()
    release()
    sent.push(lanes.append(item('slow', '4')))
    await Promise.all(sent)
    await lanes.append(item('slow', '5'))
    expect(log.order.filter((msgId) => msgId !== 'q')).toEqual(['1', '2', '3', '4', '5'])
    expect(log.batches.at(-1)?.waitMs, 'back in the lane').toBe(0)
  })

  it('takes what queued behind it in the lane along', async () => {
    const log = lockedLog()
    const lanes = lanesOver(log)
    const release = log.hold('slow')
    const first = lanes.append(item('slow', '1'))
    await undefined
    await undefined
    const rest = [lanes.append(item('slow', '2')), lanes.append(item('quick', 'q'))]
    await rest[1]
    expect(log.order).toEqual(['q'])
    expect(lanes.depth).toBe(2)
    release()
    await Promise.all([first, rest[0]])
    expect(log.order).toEqual(['q', '1', '2'])
    expect(lanes.depth).toBe(0)
  })

  it('answers BUSY for what is older than 10 s, and only that', async () => {
    const log = lockedLog()
    const lanes = lanesOver(log)
    const release = log.hold('slow')
    const old = lanes.append(item('slow', 'old')).catch((error: unknown) => error)
    await log.clock.advance(6_000)
    const young = lanes.append(item('slow', 'young'))
    await log.clock.advance(5_000)
    const refused = await old
    expect(isImError(refused, 'BUSY') && refused.retryAfterMs).toBeGreaterThan(0)
    release()
    expect(await young).toMatchObject({ ok: true })
    expect(log.order).toEqual(['young'])
  })

  it('counts against the lane’s queue and against idleness', async () => {
    const log = lockedLog()
    const lanes = lanesOver(log, 3)
    const release = log.hold('slow')
    const sent = [lanes.append(item('slow', '1'))]
    await log.clock.settle()
    sent.push(lanes.append(item('slow', '2')), lanes.append(item('slow', '3')), lanes.append(item('slow', '4')))
    expect(lanes.depth).toBe(4)
    const refused = await lanes.append(item('quick', 'q')).catch((error: unknown) => error)
    expect(isImError(refused, 'BUSY')).toBe(true)
    let idle = false
    void lanes.idle().then(() => {
      idle = true
    })
    await log.clock.settle()
    expect(idle).toBe(false)
    release()
    await Promise.all(sent)
    await log.clock.settle()
    expect([idle, lanes.depth]).toEqual([true, 0])
  })

  it('is refused as a batch when the storage fails, and what comes later is tried all the same', async () => {
    const log = lockedLog()
    const lanes = lanesOver(log)
    const release = log.hold('slow')
    const first = lanes.append(item('slow', '1')).catch((error: unknown) => error)
    await log.clock.settle()
    const second = lanes.append(item('slow', '2'))
    log.failNext = true
    release()
    expect(isImError(await first, 'UNAVAILABLE')).toBe(true)
    expect(await second).toMatchObject({ ok: true })
    expect(log.order).toEqual(['2'])
  })
})
