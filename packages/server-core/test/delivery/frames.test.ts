import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeBatch, encodeHint } from '../../src/delivery/bus-frames.js'
import { batchesOf } from '../../src/delivery/committed.js'
import { LiveMessage } from '../../src/delivery/live-message.js'
import type { AppendItem, AppendResult } from '../../src/ports/index.js'
import { MemoryFleet } from './memory-fleet.js'

const text = fc.string({ unit: 'binary', maxLength: 40 })

describe('frames on the bus', () => {
  it('carry batches unchanged, whatever their bodies hold', () => {
    const batches = fc.record({
      conversationId: text,
      memberVersion: fc.maxSafeNat(),
      channels: fc.array(text, { maxLength: 3 }),
      firstSeq: fc.integer({ min: 1, max: 2 ** 50 }),
      bodies: fc.array(fc.json(), { minLength: 1, maxLength: 5 }),
    })
    fc.assert(
      fc.property(batches, ({ bodies, ...head }) => {
        const messages = bodies.map(
          (body, i) => new LiveMessage(head.conversationId, head.firstSeq + i, JSON.stringify({ body: JSON.parse(body) as unknown })),
        )
        const frame = decodeFrame(encodeBatch({ ...head, messages }, 3))
        expect(frame).toEqual({ kind: 'messages', batch: { ...head, messages }, epoch: 3 })
      }),
    )
  })

  it('carry hints unchanged', () => {
    const hints = fc.record({ userId: text, key: text, json: fc.json().map((json) => JSON.stringify(JSON.parse(json))) })
    fc.assert(
      fc.property(hints, (hint) => {
        expect(decodeFrame(encodeHint(hint, 3))).toEqual({ kind: 'hint', hint, epoch: 3 })
      }),
    )
  })

  it('that are not ours are nothing, and never throw', () => {
    const foreign = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.string().map((value) => new TextEncoder().encode(value)),
      fc.json().map((value) => new TextEncoder().encode(value)),
      fc
        .record({
          k: fc.constantFrom('m', 'h', 'x'),
          c: fc.anything(),
          v: fc.anything(),
          ch: fc.anything(),
          f: fc.anything(),
          u: fc.anything(),
          y: fc.anything(),
        })
        .map((value) =>
          new TextEncoder().encode(`${JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? 0 : part))}\n{}`),
        ),
    )
    fc.assert(
      fc.property(foreign, (bytes) => {
        const frame = decodeFrame(bytes)
        if (frame?.kind !== 'messages') return
        expect(frame.batch.firstSeq).toBeGreaterThan(0)
        expect(frame.batch.messages.length).toBeGreaterThan(0)
      }),
      { numRuns: 1_000 },
    )
    for (const value of [
      '{"k":"m","c":"g~g","v":1,"ch":[],"f":0}\n{}',
      '{"k":"m","c":"g~g","v":1,"ch":[],"f":1}',
      '{"k":"h","u":"ann","y":"k"}',
      'null',
      '[]\n{}',
    ]) {
      expect(decodeFrame(new TextEncoder().encode(value)), value).toBeUndefined()
    }
  })

  it('cut off at any byte bring at most messages that are whole but for the last', () => {
    const messages = [new LiveMessage('g~g', 1, '{"a":1}'), new LiveMessage('g~g', 2, '{"b":2}')]
    const whole = encodeBatch({ conversationId: 'g~g', memberVersion: 1, channels: ['group:g'], firstSeq: 1, messages }, 1)
    for (let length = 0; length < whole.length; length++) expect(() => decodeFrame(whole.subarray(0, length))).not.toThrow()
  })
})

describe('hints', () => {
  it('reach the user’s connections on all nodes, those of nobody else, and leave no trace in the log', async () => {
    const fleet = await MemoryFleet.start(3)
    const here = await fleet.attached(0, 'ann')
    const there = await fleet.attached(1, 'ann')
    const other = await fleet.attached(1, 'bob')
    const event = { event: 'typing', conversationId: 'd~ann~bob', userId: 'bob' } as const
    fleet.node(2).hints.send('ann', 'typing', event)
    fleet.node(0).hints.send('ann', 'typing', event)
    await fleet.clock.settle()
    for (const recorder of [here, there]) {
      expect(recorder.hints).toHaveLength(2)
      expect(JSON.parse(recorder.hints[0]?.json ?? '')).toEqual({ ...event, at: fleet.clock.now() })
    }
    expect(other.hints).toEqual([])
    expect(fleet.data.feed.rows.size).toBe(0)
  })
})

describe('batches of what a lane has committed', () => {
  const item = (conversationId: string, channels: readonly string[] = [`group:${conversationId.slice(2)}`]): AppendItem => ({
    ...{
      conversationId,
      msgId: 'm',
      fromUserId: 'ann',
      kind: 'message',
      countable: true,
      hash: '',
      bodyJson: '{}',
      preview: '',
      checkedAt: 1,
    },
    channels,
  })
  const stored = (seq: number, fields: { duplicate?: boolean; memberVersion?: number } = {}): AppendResult => ({
    ...{ ok: true, seq, ord: seq, timestamp: 1, duplicate: false, memberVersion: 1 },
    ...fields,
  })
  const refused: AppendResult = { ok: false, code: 'NOT_MEMBER' }
  const shape = (batches: ReturnType<typeof batchesOf>): unknown[] =>
    batches.map(({ conversationId, firstSeq, memberVersion, messages }) => [
      conversationId,
      firstSeq,
      messages.map((message) => message.seq),
      memberVersion,
    ])

  it('are runs of consecutive seqs, without duplicates and refusals', () => {
    const items = ['g~a', 'g~b', 'g~a', 'g~a', 'g~b', 'g~a', 'g~a'].map((id) => item(id))
    const results = [stored(4), stored(9), refused, stored(2, { duplicate: true }), stored(10, { memberVersion: 3 }), stored(5), stored(6)]
    expect(shape(batchesOf(items, results))).toEqual([
      ['g~a', 4, [4, 5, 6], 1],
      ['g~b', 9, [9, 10], 3],
    ])
  })

  it('begin anew where seqs do not follow on', () => {
    const items = ['g~a', 'g~a', 'g~a'].map((id) => item(id))
    expect(shape(batchesOf(items, [stored(1), stored(3), stored(4)]))).toEqual([
      ['g~a', 1, [1], 1],
      ['g~a', 3, [3, 4], 1],
    ])
    expect(batchesOf(items, [refused, refused, stored(1, { duplicate: true })])).toEqual([])
    expect(batchesOf([], [])).toEqual([])
  })

  it('go to everybody that any of their entries concerns', () => {
    const [batch] = batchesOf([item('g~a'), item('g~a', ['group:a', 'user:bob'])], [stored(1), stored(2)])
    expect(batch?.channels).toEqual(['group:a', 'user:bob'])
  })
})
