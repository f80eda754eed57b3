import { describe, expect, it, onTestFinished } from 'vitest'
import { feedEventLog } from '../../src/delivery/index.js'
import { createMemoryData } from '../../src/memory/data.js'
import { memoryStorage } from '../../src/memory/storage.js'
import type { EventLog, EventRecord, Storage } from '../../src/ports/index.js'
import { silentLogger } from '../../src/ports/logger.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'
import { gated, type Gate } from '../support/wrapped-storage.js'

interface Arranged {
  readonly clock: TestClock
  readonly storage: Storage
  readonly gate: Gate
  readonly logs: readonly EventLog[]
  append(count: number): Promise<void>
}

async function arrange(): Promise<Arranged> {
  const clock = new TestClock()
  const ids = new TestIds()
  const storage = memoryStorage({ clock, data: createMemoryData() })
  await storage.openConversation({ conversationId: 'g~g', chatType: 'group', userIds: ['ann'], nodeId: 'test', now: clock.now() })
  const gate: Gate = {}
  const logs = ['a', 'b'].map((nodeId, i) =>
    feedEventLog({ storage: i === 0 ? gated(storage, gate) : storage, clock, ids, nodeId, logger: silentLogger }),
  )
  onTestFinished(async () => {
    const closed = Promise.all(logs.map((log) => log.close()))
    await clock.advance(60_000)
    await closed
  })
  const item = () => ({
    ...{ conversationId: 'g~g', msgId: ids.uuid(), fromUserId: 'ann', kind: 'message' as const, countable: true, hash: '' },
    ...{ bodyJson: '{}', preview: '', checkedAt: 1, channels: ['group:g'] },
  })
  const append = async (count: number): Promise<void> => {
    await storage.appendMessages({ nodeId: 'test', now: clock.now(), items: Array.from({ length: count }, item) })
  }
  return { clock, storage, gate, logs, append }
}

const seqOf = (record: EventRecord): number => record.data['seq'] as number

describe('feedEventLog', () => {
  it('keeps its lease while a handler takes long, so that nobody handles the same beside it', async () => {
    const { clock, logs, append } = await arrange()
    const handled: string[] = []
    for (const [i, log] of logs.entries()) {
      await log.consume('slow', async (record) => {
        handled.push(`${i}:${seqOf(record)}`)
        await new Promise<void>((resolve) => clock.after(25_000, resolve))
      })
    }
    await append(3)
    await clock.advance(90_000)
    expect(handled.map((text) => text.slice(2))).toEqual(['1', '2', '3'])
    expect(new Set(handled.map((text) => text[0])).size).toBe(1)
  })

  it('stops within a change when another node has taken the lease over meanwhile', async () => {
    const { clock, gate, logs, append } = await arrange()
    const handled: string[] = []
    for (const [i, log] of logs.entries()) {
      await log.consume('cut', async (record) => {
        handled.push(`${i}:${seqOf(record)}`)
        await new Promise<void>((resolve) => clock.after(i === 0 ? 15_000 : 1, resolve))
      })
    }
    // The first node cannot reach the storage for longer than its lease lasts.
    gate.before = (method) => {
      if (method === 'acquireLease' && handled.length > 0) throw new Error('cut off')
    }
    await append(3)
    await clock.advance(60_000)
    expect(handled.filter((text) => text.startsWith('0'))).toEqual(['0:1'])
    expect(handled.filter((text) => text.startsWith('1'))).toEqual(['1:1', '1:2', '1:3'])
  })

  it('leaves a failing record to a successor when it is stopped, instead of setting it aside', async () => {
    const { clock, storage, logs, append } = await arrange()
    let tried = 0
    const stop = await (logs[0] as EventLog).consume('shut', async () => {
      tried++
      throw new Error('its database has been closed')
    })
    await append(1)
    while (tried < 2) await clock.advance(10)
    let stopped = false
    const stopping = stop().then(() => {
      stopped = true
    })
    await clock.settle()
    expect(stopped).toBe(true)
    await stopping
    expect(tried).toBe(2)
    expect(await storage.listDeadLetters(10)).toEqual([])
    const seen: number[] = []
    await (logs[1] as EventLog).consume('shut', async (record) => void seen.push(seqOf(record)))
    await clock.advance(2_000)
    expect(seen).toEqual([1])
  })

  // A storage that raises its epoch when its server starts again carries stored positions along, and calls old ones too old.
  it('asks again where it stands when the position it has just been given is too old', async () => {
    const { clock, storage, append } = await arrange()
    const ids = new TestIds()
    let tooOld = false
    const stale: Storage = Object.assign(Object.create(storage) as Storage, {
      changes: async (...args: Parameters<Storage['changes']>) => {
        if (!tooOld) return storage.changes(...args)
        tooOld = false
        return { changes: [], position: await storage.startPosition(), tooOld: true, more: false }
      },
    })
    const log = feedEventLog({ storage: stale, clock, ids, nodeId: 'c', logger: silentLogger })
    const handled: number[] = []
    await log.consume('audit', async (record) => void handled.push(seqOf(record)))
    await clock.settle()
    tooOld = true
    await append(3)
    await clock.advance(5_000)
    expect(tooOld).toBe(false)
    expect(handled).toEqual([1, 2, 3])
    const closed = log.close()
    await clock.advance(5_000)
    await closed
  })

  it('goes on after an outage where it was', async () => {
    const { clock, gate, logs, append } = await arrange()
    const seen: number[] = []
    await (logs[0] as EventLog).consume('steady', async (record) => void seen.push(seqOf(record)))
    await append(2)
    await clock.advance(1_000)
    let failing = true
    gate.before = (method) => {
      if (failing && method !== 'acquireLease') throw new Error('down')
    }
    await append(2)
    await clock.advance(30_000)
    expect(seen).toEqual([1, 2])
    failing = false
    await clock.advance(1_000)
    expect(seen).toEqual([1, 2, 3, 4])
  })
})
