import { ImError, isImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { AppendLanes } from '../../src/app/append-lanes.js'
import type { AppendBatch, AppendItem, AppendResult } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'

interface Held {
  readonly batch: AppendBatch
  commit(results?: readonly AppendResult[]): void
  fail(error: unknown): void
}

/** A log that answers when the test says so. */
function heldLog() {
  const held: Held[] = []
  const seqs = new Map<string, number>()
  const commitAll = (batch: AppendBatch): readonly AppendResult[] =>
    batch.items.map(({ conversationId }) => {
      const seq = (seqs.get(conversationId) ?? 0) + 1
      seqs.set(conversationId, seq)
      return { ok: true, seq, ord: seq, timestamp: batch.now, duplicate: false, memberVersion: 1 }
    })
  return {
    held,
    appendMessages: (batch: AppendBatch) =>
      new Promise<readonly AppendResult[]>((resolve, reject) => {
        held.push({ batch, commit: (results) => resolve(results ?? commitAll(batch)), fail: reject })
      }),
  }
}

const item = (conversationId: string, text = 'x'): AppendItem => ({
  conversationId,
  msgId: text,
  fromUserId: 'alice',
  kind: 'message',
  countable: true,
  hash: '',
  bodyJson: JSON.stringify({ type: 'text', text }),
  preview: text,
  checkedAt: 1,
  channels: [],
})

function lanesOver(log: ReturnType<typeof heldLog>, options: { lanes?: number; queueItems?: number; onCommitted?: () => void } = {}) {
  const clock = new TestClock()
  const { lanes = 4, queueItems = 1_000, onCommitted = () => undefined } = options
  return { clock, lanes: new AppendLanes({ storage: log, clock, nodeId: 'n', lanes, queueItems, onCommitted }) }
}

const texts = (held: Held | undefined): readonly string[] => held?.batch.items.map(({ msgId }) => msgId) ?? []

describe('append lanes', () => {
  it('flush at once what one turn brought, and then what came while that ran', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log)
    const first = [lanes.append(item('c', '1')), lanes.append(item('c', '2'))]
    await clock.settle()
    expect(texts(log.held[0])).toEqual(['1', '2'])
    const second = ['3', '4', '5'].map((text) => lanes.append(item('c', text)))
    await clock.settle()
    expect(log.held).toHaveLength(1)
    log.held[0]?.commit()
    expect(await Promise.all(first)).toMatchObject([{ seq: 1 }, { seq: 2 }])
    await clock.settle()
    expect(texts(log.held[1])).toEqual(['3', '4', '5'])
    log.held[1]?.commit()
    expect(await Promise.all(second)).toMatchObject([{ seq: 3 }, { seq: 4 }, { seq: 5 }])
  })

  it('take a conversation through one lane, and others side by side', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 4 })
    const ids = Array.from({ length: 40 }, (_, i) => `g~${i}`)
    const done = ids.flatMap((id) => [lanes.append(item(id, `${id} 1`)), lanes.append(item(id, `${id} 2`))])
    await clock.settle()
    expect(log.held.length).toBeGreaterThan(1)
    expect(log.held.length).toBeLessThanOrEqual(4)
    for (const id of ids) {
      const batches = log.held.filter(({ batch }) => batch.items.some(({ conversationId }) => conversationId === id))
      expect(batches).toHaveLength(1)
      const own = texts(batches[0]).filter((text) => text.startsWith(`${id} `))
      expect(own).toEqual([`${id} 1`, `${id} 2`])
    }
    for (const held of log.held) held.commit()
    await Promise.all(done)
    expect(lanes.depth).toBe(0)
  })

  it('cut a batch at 100 items and at 1 MiB, but never to nothing', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 1 })
    for (let i = 0; i < 250; i++) void lanes.append(item('c', `${i}`))
    const large = 'y'.repeat(700 * 1024)
    void lanes.append(item('c', large))
    void lanes.append(item('c', large))
    const sizes: number[] = []
    for (let i = 0; i < 6; i++) {
      await clock.settle()
      const held = log.held[i]
      if (held === undefined) break
      sizes.push(held.batch.items.length)
      held.commit()
    }
    expect(sizes).toEqual([100, 100, 51, 1])
    await lanes.idle()
  })

  it('answer BUSY to what has waited 10 s behind a slow batch, and store what has not', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 1 })
    const first = lanes.append(item('d~a~b', 'first'))
    await clock.settle()
    const late = lanes.append(item('d~a~b', 'late')).catch((error: unknown) => error)
    await clock.advance(9_000)
    const fresh = lanes.append(item('d~a~b', 'fresh'))
    await clock.advance(1_000)
    log.held[0]?.commit()
    await clock.settle()
    expect(isImError(await late, 'BUSY')).toBe(true)
    expect(log.held[1]?.batch.items.map(({ msgId }) => msgId)).toEqual(['fresh'])
    log.held[1]?.commit()
    await expect(Promise.all([first, fresh])).resolves.toMatchObject([{ seq: 1 }, { seq: 2 }])
    await lanes.idle()
  })

  it('answer BUSY beyond their queue, and take more when there is room', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 1, queueItems: 2 })
    void lanes.append(item('c', 'running'))
    await clock.settle()
    const waiting = [lanes.append(item('c', '1')), lanes.append(item('c', '2'))]
    const refused = await lanes.append(item('c', '3')).catch((error: unknown) => error)
    expect(isImError(refused, 'BUSY')).toBe(true)
    expect((refused as ImError).retryAfterMs).toBeGreaterThan(0)
    expect(lanes.depth).toBe(3)
    log.held[0]?.commit()
    await clock.settle()
    const later = lanes.append(item('c', '4'))
    log.held[1]?.commit()
    await Promise.all(waiting)
    await clock.settle()
    log.held[2]?.commit()
    expect(await later).toMatchObject({ ok: true })
  })

  it('fail a batch as a whole and go on with the next', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 1 })
    const failed = [lanes.append(item('c', '1')), lanes.append(item('c', '2'))]
    const outcomes = Promise.allSettled(failed)
    await clock.settle()
    const next = lanes.append(item('c', '3'))
    log.held[0]?.fail(new ImError('UNAVAILABLE'))
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await clock.settle()
    log.held[1]?.commit()
    expect(await next).toMatchObject({ seq: 1 })
  })

  it('give each item its own answer', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 1 })
    const both = [lanes.append(item('c', '1')), lanes.append(item('c', '2'))]
    await clock.settle()
    log.held[0]?.commit([
      { ok: false, code: 'MUTED' },
      { ok: true, seq: 9, ord: 9, timestamp: 0, duplicate: false, memberVersion: 1 },
    ])
    expect(await Promise.all(both)).toMatchObject([{ ok: false, code: 'MUTED' }, { seq: 9 }])
  })

  it('tell of a commit before its senders hear of it', async () => {
    const log = heldLog()
    const order: string[] = []
    const { clock, lanes } = lanesOver(log, { lanes: 1, onCommitted: () => order.push('committed') })
    const sent = lanes.append(item('c')).then(() => order.push('answered'))
    await clock.settle()
    log.held[0]?.commit()
    await sent
    expect(order).toEqual(['committed', 'answered'])
  })

  it('are idle only when everything has been answered', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 2 })
    void lanes.append(item('a'))
    void lanes.append(item('b'))
    void lanes.append(item('c'))
    await clock.settle()
    let idle = false
    void lanes.idle().then(() => {
      idle = true
    })
    void lanes.append(item('a', 'late'))
    for (let i = 0; i < 5; i++) {
      expect(idle).toBe(false)
      log.held[i]?.commit()
      await clock.settle()
      if (lanes.depth === 0) break
    }
    await clock.settle()
    expect(idle).toBe(true)
  })
})
