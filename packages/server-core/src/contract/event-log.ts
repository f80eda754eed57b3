import { describe, expect, it } from 'vitest'
import type { EventLog, EventRecord } from '../ports/event-log.js'
import { Arrange } from './arrange.js'
import { eventually, Received } from './eventually.js'
import type { Current, EventLogHarness, StorageHarness } from './harness.js'
import { freshHarness } from './lifecycle.js'
import type { Storage } from './types.js'

const WITHIN_MS = 60_000
const TIMEOUT_MS = 120_000

/** Long enough for a second node to do what the first has done already. */
const QUIET_MS = 6_000
const HANDLING_MS = 20

/** What every EventLog must do, over one storage and three started nodes. */
export function eventLogContract(
  name: string,
  make: () => Promise<EventLogHarness>,
  additional?: (current: Current<EventLogHarness>) => void,
): void {
  describe(`EventLog: ${name}`, { timeout: TIMEOUT_MS }, () => {
    const current = freshHarness(make)
    // Arrange needs of a storage's harness only what this one has as well.
    const arrange = (): Arrange => new Arrange(current() as unknown as StorageHarness)
    const named = (label: string): string => `${label}-${current().ids.uuid().slice(24)}`
    const collect = (log: EventLog, group: string, into: Received<EventRecord>): Promise<() => Promise<void>> =>
      log.consume(group, async (record) => {
        if (record.type !== 'message.accepted') return
        // Handling takes time, so that nodes which do not agree on whose work it is are caught at the same record.
        await new Promise<void>((resolve) => {
          current().clock.after(HANDLING_MS, resolve)
        })
        into.push(record)
      })
    const seqsOf = (records: readonly EventRecord[], entity: string): unknown[] =>
      records.filter((record) => record.entity === entity).map((record) => record.data['seq'])

    it('makes a record of every accepted message, in the conversation’s order', async () => {
      const a = arrange()
      const received = new Received<EventRecord>(current())
      await collect(current().logs[0], named('audit'), received)
      const ids = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const items = Array.from({ length: 12 }, (_, i) => a.text(ids[i % 2] as string, 'ann', String(i)))
      for (let i = 0; i < items.length; i += 3) await a.accepted(items.slice(i, i + 3))
      const records = await received.times(12, { withinMs: WITHIN_MS, quietMs: QUIET_MS })
      for (const id of ids) expect(seqsOf(records, id)).toEqual([1, 2, 3, 4, 5, 6])
      const byMsgId = new Map(records.map((record) => [record.data['msgId'], record]))
      for (const item of items) {
        const record = byMsgId.get(item.msgId)
        expect(record).toMatchObject({ v: 1, type: 'message.accepted', entity: item.conversationId })
        expect(record?.data).toMatchObject({ msgId: item.msgId, seq: expect.any(Number) })
        expect(record?.at).toEqual(expect.any(Number))
      }
      expect(new Set(records.map((record) => record.eventId)).size, 'each has an id of its own').toBe(12)
    })

    it('gives every named group everything, and shares a group’s work over its nodes without doing it twice', async () => {
      const a = arrange()
      const { logs } = current()
      const audit = new Received<EventRecord>(current())
      const push = new Received<EventRecord>(current())
      const [auditGroup, pushGroup] = [named('audit'), named('push')]
      for (const log of logs) await collect(log, auditGroup, audit)
      for (const log of logs.slice(1)) await collect(log, pushGroup, push)
      const ids: string[] = []
      for (let i = 0; i < 6; i++) ids.push(await a.conversation(['ann']))
      for (let round = 0; round < 5; round++) await a.accepted(ids.map((id) => a.text(id, 'ann')))
      for (const received of [audit, push]) {
        const records = await received.times(30, { withinMs: WITHIN_MS, quietMs: QUIET_MS })
        for (const id of ids) expect(seqsOf(records, id)).toEqual([1, 2, 3, 4, 5])
      }
    })

    it('tries a record that fails again, and keeps the order behind it', async () => {
      const a = arrange()
      const group = named('shaky')
      const id = await a.conversation(['ann'])
      const tries: unknown[] = []
      const handled: unknown[] = []
      await current().logs[0].consume(group, async (record) => {
        if (record.type !== 'message.accepted') return
        const { seq } = record.data
        tries.push(seq)
        if (seq === 2 && tries.filter((tried) => tried === 2).length < 3) throw new Error('not yet')
        handled.push(seq)
      })
      await a.texts(id, 'ann', 4)
      await eventually(current(), () => expect(handled).toContain(4), WITHIN_MS)
      expect(handled).toEqual([1, 2, 3, 4])
      expect(tries.filter((tried) => tried === 2)).toHaveLength(3)
      expect(await ownDeadLetters(current().storage, group)).toEqual([])
    })

    it('puts a record that fails five times aside and goes on', async () => {
      const a = arrange()
      const group = named('strict')
      const id = await a.conversation(['ann'])
      const poison = a.text(id, 'ann', 'poison')
      let tried = 0
      const received = new Received<EventRecord>(current())
      await current().logs[0].consume(group, async (record) => {
        if (record.type !== 'message.accepted') return
        if (record.data['msgId'] === poison.msgId) {
          tried++
          throw new Error('indigestible')
        }
        received.push(record)
      })
      await a.accepted([a.text(id, 'ann'), poison, a.text(id, 'ann')])
      const records = await received.times(2, { withinMs: WITHIN_MS, quietMs: QUIET_MS })
      expect(seqsOf(records, id)).toEqual([1, 3])
      expect(tried).toBe(5)
      const letters = await ownDeadLetters(current().storage, group)
      expect(letters).toEqual([expect.objectContaining({ key: id, error: expect.stringContaining('indigestible') })])
      expect(JSON.parse(letters[0]?.recordJson ?? '{}')).toMatchObject({
        type: 'message.accepted',
        entity: id,
        data: { msgId: poison.msgId },
      })
    })

    it('goes on elsewhere where a stopped consumer has ended, without loss', async () => {
      const a = arrange()
      const group = named('moving')
      const { logs } = current()
      const id = await a.conversation(['ann'])
      const first = new Received<EventRecord>(current())
      const stop = await collect(logs[0], group, first)
      await a.texts(id, 'ann', 3)
      await first.times(3, { withinMs: WITHIN_MS, quietMs: QUIET_MS })
      await stop()
      await stop()
      await a.texts(id, 'ann', 3)
      const second = new Received<EventRecord>(current())
      await collect(logs[1], group, second)
      await eventually(current(), () => expect(seqsOf(second.all, id)).toContain(6), WITHIN_MS)
      // At least once: records of the time of the change may come to both, but none is left out and order holds.
      const seqs = seqsOf(second.all, id) as number[]
      expect(seqs.slice(seqs.indexOf(4))).toEqual([4, 5, 6])
      await first.times(3, { quietMs: QUIET_MS })
    })

    it('lets the running handler end before a stop is done', async () => {
      const a = arrange()
      const id = await a.conversation(['ann'])
      let finish = (): void => {}
      const events: string[] = []
      const stop = await current().logs[0].consume(named('calm'), async (record) => {
        if (record.type !== 'message.accepted') return
        events.push('begun')
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        events.push('ended')
      })
      await a.texts(id, 'ann', 1)
      await eventually(current(), () => expect(events).toEqual(['begun']), WITHIN_MS)
      const stopped = stop().then(() => events.push('stopped'))
      await current().advance(500)
      expect(events).toEqual(['begun'])
      finish()
      await eventually(current(), () => expect(events).toEqual(['begun', 'ended', 'stopped']), WITHIN_MS)
      await stopped
    })

    it('survives a node that closes: another takes its share over', async () => {
      const a = arrange()
      const { logs } = current()
      const id = await a.conversation(['ann'])
      const received = new Received<EventRecord>(current())
      const group = named('steady')
      for (const log of logs) await collect(log, group, received)
      await a.texts(id, 'ann', 2)
      await eventually(current(), () => expect(new Set(seqsOf(received.all, id)).size).toBe(2), WITHIN_MS)
      await logs[0].close()
      await logs[0].close()
      await logs[1].close()
      await a.texts(id, 'ann', 2)
      await eventually(current(), () => expect(new Set(seqsOf(received.all, id))).toEqual(new Set([1, 2, 3, 4])), WITHIN_MS)
    })

    it('gives what changes no row to this node’s listeners, which may throw', async () => {
      const { logs, clock, ids } = current()
      const here = new Received<EventRecord>(current())
      const stopThrowing = logs[0].onRecorded(() => {
        throw new Error('a listener of the test throws')
      })
      const stop = logs[0].onRecorded(here.push)
      const record = (): EventRecord => ({ v: 1, eventId: ids.uuid(), type: 'connection.opened', at: clock.now(), entity: 'ann', data: {} })
      const first = record()
      logs[0].record(first)
      expect(await here.times(1)).toEqual([first])
      stop()
      stopThrowing()
      logs[0].record(record())
      await here.times(1)
    })

    if (additional !== undefined) describe('additional', () => additional(current))
  })
}

async function ownDeadLetters(storage: Storage, group: string) {
  return (await storage.listDeadLetters(1_000)).filter((letter) => letter.group === group)
}
