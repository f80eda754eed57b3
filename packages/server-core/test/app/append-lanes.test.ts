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

  it('use one lane for what fills no batch, as half-empty transactions side by side only cost more', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log)
    const done = [lanes.append(item('g~0', '0'))]
    await clock.settle()
    for (let i = 1; i < 100; i++) {
      done.push(lanes.append(item(`g~${i}`, `${i}`)))
      await undefined
    }
    await clock.settle()
    expect(log.held.map((held) => texts(held).length)).toEqual([1])
    log.held[0]?.commit()
    await clock.settle()
    expect(log.held.map((held) => texts(held).length)).toEqual([1, 99])
    log.held[1]?.commit()
    await Promise.all(done)
    expect([lanes.depth, clock.pending]).toEqual([0, 0])
  })

  it('use a further lane for each full batch, and never more lanes than there are', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 3 })
    const done = [lanes.append(item('g~first'))]
    await clock.settle()
    for (let i = 0; i < 450; i++) done.push(lanes.append(item(`g~${i}`, `${i}`)))
    await clock.settle()
    expect(log.held.map((held) => texts(held).length)).toEqual([1, 100, 100])
    await clock.advance(5_000)
    expect(log.held).toHaveLength(3)
    log.held[1]?.commit()
    await clock.settle()
    expect(log.held.map((held) => texts(held).length)).toEqual([1, 100, 100, 100])
    for (let i = 0; i < log.held.length; i++) {
      if (i !== 1) log.held[i]?.commit()
      await clock.settle()
    }
    await Promise.all(done)
    expect([lanes.depth, clock.pending]).toEqual([0, 0])
  })

  it('go round a batch that lasts, which may wait for a lock', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log)
    const slow = lanes.append(item('slow'))
    await clock.settle()
    const quick = lanes.append(item('quick', 'q1'))
    await clock.advance(19)
    expect(log.held).toHaveLength(1)
    await clock.advance(1)
    expect(texts(log.held[1])).toEqual(['q1'])
    log.held[1]?.commit()
    expect(await quick).toMatchObject({ seq: 1 })
    // The slow one does not make others wait anew.
    const next = lanes.append(item('quick', 'q2'))
    await clock.settle()
    log.held[2]?.commit()
    expect(await next).toMatchObject({ seq: 2 })
    log.held[0]?.commit()
    await slow
    expect([lanes.depth, clock.pending]).toEqual([0, 0])
  })

  it('have a conversation in one batch at a time, with all its items that wait', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 4 })
    const ids = Array.from({ length: 40 }, (_, i) => `g~${i}`)
    const done = Array.from({ length: 8 }, (_, n) => ids.map((id) => lanes.append(item(id, `${id} ${n}`)))).flat()
    await clock.settle()
    const firsts = log.held.map(({ batch }) => new Set(batch.items.map(({ conversationId }) => conversationId)))
    expect(log.held.map((held) => texts(held).length)).toEqual([100, 100, 100])
    // The one that the end of a batch cuts waits for it with its rest; all others are whole.
    expect(firsts.map((batch) => batch.size)).toEqual([13, 13, 13])
    expect(new Set(firsts.flatMap((batch) => [...batch])).size).toBe(39)
    for (let i = 0; i < log.held.length; i++) {
      log.held[i]?.commit()
      await clock.settle()
    }
    await Promise.all(done)
    const stored = log.held.flatMap(texts)
    for (const id of ids) {
      const own = stored.filter((text) => text.startsWith(`${id} `))
      expect(own).toEqual(Array.from({ length: 8 }, (_, n) => `${id} ${n}`))
    }
  })

  it('let no conversation take the room of all', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 2, queueItems: 2 })
    void lanes.append(item('busy'))
    await clock.settle()
    const waiting = [lanes.append(item('busy')), lanes.append(item('busy'))]
    const refused = await lanes.append(item('busy')).catch((error: unknown) => error)
    expect(isImError(refused, 'BUSY')).toBe(true)
    waiting.push(lanes.append(item('other')), lanes.append(item('other')))
    expect(isImError(await lanes.append(item('third')).catch((error: unknown) => error), 'BUSY')).toBe(true)
    for (let i = 0; i < 3; i++) {
      log.held[i]?.commit()
      await clock.settle()
    }
    expect(await Promise.all(waiting)).toHaveLength(4)
  })

  it('put what is too large for the rest of a batch first into the next', async () => {
    const log = heldLog()
    const { clock, lanes } = lanesOver(log, { lanes: 1 })
    const first = lanes.append(item('running'))
    await clock.settle()
    const large = 'y'.repeat(700 * 1024)
    const done = [first, lanes.append(item('a', large)), lanes.append(item('b', large)), lanes.append(item('c', 'small'))]
    for (let i = 0; i < 3; i++) {
      log.held[i]?.commit()
      await clock.settle()
    }
    await Promise.all(done)
    expect(log.held.map(({ batch }) => batch.items.map(({ conversationId }) => conversationId))).toEqual([['running'], ['a'], ['b', 'c']])
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
