import { systemClock } from '@innerline/server-core'
import { readLog } from '@innerline/server-core/contract'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mysqlStorage } from '../src/index.js'
import { arrange } from './support/arrange.js'
import { type CuttingProxy, cuttingProxy } from './support/cutting-proxy.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { connect, rowsOf } from './support/scratch.js'
import { testServers } from './support/servers.js'

/** Not the isolation level's name. */
const isCommit = (chunk: Buffer): boolean => chunk.includes('\nCOMMIT;')

for (const { name, uri } of testServers) {
  describe(`append traps on ${name}`, () => {
    let harness: MysqlHarness
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
    })
    afterAll(() => harness.dispose())

    const table = (bare: string): string => `\`${harness.namespace}_${bare}\``

    const keyOf = async (conversationId: string): Promise<number> => {
      const rows = await rowsOf(
        harness.connection,
        `SELECT conversation_key AS k FROM ${table('t_cs_session')} WHERE session_id = '${conversationId}'`,
      )
      return Number(rows[0]?.['k'])
    }

    describe('a lost connection', () => {
      let proxy: CuttingProxy
      beforeEach(async () => {
        proxy = await cuttingProxy(uri)
      })
      afterEach(() => proxy.close())

      it.each(['cut after', 'cut before'] as const)(
        'at COMMIT (%s it was sent) is settled by the same ids on a new one',
        async (verdict) => {
          const a = arrange(harness)
          const storage = mysqlStorage({ uri: proxy.uri, namespace: harness.namespace, migrations: 'off' })
          await storage.start()
          const id = await a.conversation(['ann'])
          await a.accepted([a.text(id, 'ann')], storage)
          let cuts = 0
          proxy.onSend = (chunk) => (isCommit(chunk) && ++cuts === 1 ? verdict : 'pass')
          const items = [a.text(id, 'ann'), a.text(id, 'ann')]
          const results = await a.accepted(items, storage)
          expect(cuts).toBeGreaterThanOrEqual(1)
          // Whichever way it went, this call is the one that stored them: nobody else has told of them.
          expect(results.map((r) => [r.seq, r.duplicate])).toEqual([
            [2, false],
            [3, false],
          ])
          const log = await readLog(harness.storage, id)
          expect(log.map((entry) => entry.msgId).slice(1)).toEqual(items.map((item) => item.msgId))
          await storage.close()
        },
      )

      it('is found out while it is idle: no call fails for any number of them', async () => {
        const a = arrange(harness)
        const storage = mysqlStorage({ uri: proxy.uri, namespace: harness.namespace, migrations: 'off', connections: { append: 12 } })
        await storage.start()
        const ids = await Promise.all(Array.from({ length: 12 }, () => a.conversation(['ann'])))
        const late = await Promise.all(ids.map((id) => harness.lateAppend(a.text(id, 'ann'))))
        // Each waits on a connection of its own.
        const waiting = Promise.all(ids.map((id) => a.accepted([a.text(id, 'ann')], storage)))
        await harness.advance(200)
        await Promise.all(late.map((one) => one.rollback()))
        await waiting
        expect(proxy.cutAll()).toBeGreaterThan(11)
        await harness.advance(100)
        expect(await a.append([a.text(ids[0] as string, 'ann')], storage)).toMatchObject([{ ok: true, seq: 2 }])
        await storage.close()
      })

      it('whose server is away for a second after the COMMIT is settled all the same', async () => {
        const a = arrange(harness)
        const storage = mysqlStorage({ uri: proxy.uri, namespace: harness.namespace, migrations: 'off' })
        await storage.start()
        const id = await a.conversation(['ann'])
        await a.accepted([a.text(id, 'ann')], storage)
        let back = Number.POSITIVE_INFINITY
        proxy.onSend = (chunk) => {
          if (systemClock.monotonic() >= back) return 'pass'
          if (back !== Number.POSITIVE_INFINITY) return 'cut before'
          if (!isCommit(chunk)) return 'pass'
          back = systemClock.monotonic() + 1_500
          return 'cut after'
        }
        expect((await a.accepted([a.text(id, 'ann')], storage))[0]).toMatchObject({ seq: 2, duplicate: false })
        await storage.close()
      })

      it('for good is UNAVAILABLE, and a later call is told the truth', async () => {
        const a = arrange(harness)
        const storage = mysqlStorage({ uri: proxy.uri, namespace: harness.namespace, migrations: 'off' })
        await storage.start()
        const id = await a.conversation(['ann'])
        await a.accepted([a.text(id, 'ann')], storage)
        const item = a.text(id, 'ann')
        let committed = false
        proxy.onSend = (chunk) => {
          if (committed) return 'cut before'
          committed = isCommit(chunk)
          return committed ? 'cut after' : 'pass'
        }
        await expect(a.append([item], storage)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) })
        proxy.onSend = () => 'pass'
        expect((await a.accepted([item], storage))[0]).toMatchObject({ seq: 2, duplicate: true })
        expect(await readLog(harness.storage, id)).toHaveLength(2)
        await storage.close()
      })
    })

    it('survives connections killed at random by an operator, with every acknowledged message once', async () => {
      const a = arrange(harness)
      const storage = await harness.second()
      const ids = [await a.conversation(['ann']), await a.conversation(['ann']), await a.conversation(['ann'])]
      const acked = new Map<string, number>()
      let done = false
      const writer = async (index: number): Promise<void> => {
        for (let round = 0; round < 25; round++) {
          const items = Array.from({ length: 6 }, (_, i) => a.text(ids[(index + i) % 3] as string, 'ann'))
          for (let pending = items; pending.length > 0; ) {
            const batch = pending
            const results = await a.append(batch, storage).catch(() => [])
            pending = batch.filter((_, i) => results[i]?.ok !== true)
            results.forEach((result, i) => {
              if (result.ok) acked.set((batch[i] as (typeof batch)[number]).msgId, result.seq)
            })
          }
        }
      }
      const killer = async (): Promise<number> => {
        let kills = 0
        const self = await connect(uri)
        while (!done) {
          const [found] = await self.query(
            `SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%${harness.namespace}%' LIMIT 2`,
          )
          for (const { id, ID } of found as { id?: number; ID?: number }[]) {
            await self.query(`KILL ${id ?? ID}`).then(
              () => kills++,
              () => undefined,
            )
          }
          await harness.advance(15)
        }
        await self.end()
        return kills
      }
      const killing = killer()
      await Promise.all(Array.from({ length: 6 }, (_, index) => writer(index)))
      done = true
      expect(await killing, 'connections were really killed').toBeGreaterThan(10)
      const stored = new Map(
        (await Promise.all(ids.map((id) => readLog(harness.storage, id)))).flat().map((entry) => [entry.msgId, entry.seq]),
      )
      expect(stored.size).toBe(6 * 25 * 6)
      for (const [msgId, seq] of acked) expect(stored.get(msgId)).toBe(seq)
    })

    it('goes on with other conversations of a batch while one head is held, and answers `held` for that one', async () => {
      const a = arrange(harness)
      const [slow, quick] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const late = await harness.lateAppend(a.text(slow, 'ann'))
      const started = systemClock.monotonic()
      const items = [a.text(slow, 'ann'), a.text(quick, 'ann'), a.text(slow, 'ann'), a.text(quick, 'ann')]
      const results = await harness.storage.appendMessages({ nodeId: a.nodeId, now: systemClock.now(), items, waitMs: 0 })
      expect(results.map((r) => (r.ok ? r.seq : [r.code, r.held]))).toEqual([['BUSY', true], 1, ['BUSY', true], 2])
      expect(systemClock.monotonic() - started).toBeLessThan(1_900)
      await late.rollback()
      expect((await a.accepted(items)).map((r) => [r.seq, r.duplicate])).toEqual([
        [1, false],
        [1, true],
        [2, false],
        [2, true],
      ])
    })

    it('waits for a held head on a spare connection, and answers BUSY when its time is over', async () => {
      const a = arrange(harness)
      const slow = await a.conversation(['ann'])
      const late = await harness.lateAppend(a.text(slow, 'ann'))
      const items = [a.text(slow, 'ann')]
      const gaveUp = await harness.storage.appendMessages({ nodeId: a.nodeId, now: systemClock.now(), items, waitMs: 1_500 })
      expect(gaveUp).toEqual([expect.objectContaining({ ok: false, code: 'BUSY', held: true, retryAfterMs: expect.any(Number) })])
      const patient = a.accepted(items)
      await harness.advance(1_200)
      await late.commit()
      expect((await patient)[0]).toMatchObject({ seq: 2, duplicate: false })
    })

    it('knows a held sender’s row from a held head', async () => {
      const a = arrange(harness)
      const [slow, quick] = [await a.conversation(['ann']), await a.conversation(['bob'])]
      const key = await keyOf(slow)
      const blocker = await connect(uri)
      await blocker.beginTransaction()
      await blocker.query(`SELECT 1 FROM ${table('t_im_cursor')} WHERE user_id = 'ann' AND conversation_key = ? FOR UPDATE`, [key])
      const items = [a.text(slow, 'ann'), a.text(quick, 'bob')]
      const started = systemClock.monotonic()
      const results = await harness.storage.appendMessages({ nodeId: a.nodeId, now: systemClock.now(), items, waitMs: 0 })
      expect(results.map((r) => (r.ok ? r.seq : r.held))).toEqual([true, 1])
      expect(systemClock.monotonic() - started, 'one lock wait, not one more for the row').toBeLessThan(1_900)
      await blocker.rollback()
      await blocker.end()
      expect((await a.accepted(items)).map((r) => r.seq)).toEqual([1, 1])
    })

    it('waits beside each other for msgIds that are under way elsewhere, and goes on with the rest', async () => {
      const a = arrange(harness)
      const held = await Promise.all(
        Array.from({ length: 4 }, async () => {
          const item = a.text(await a.conversation(['ann']), 'ann')
          return { late: await harness.lateAppend(item), item: { ...item, conversationId: await a.conversation(['ann']) } }
        }),
      )
      const items = [...held.map(({ item }) => item), a.text(await a.conversation(['bob']), 'bob')]
      const started = systemClock.monotonic()
      const results = await harness.storage.appendMessages({ nodeId: a.nodeId, now: systemClock.now(), items, waitMs: 0 })
      expect(results.map((r) => (r.ok ? r.seq : r.held))).toEqual([true, true, true, true, 1])
      expect(systemClock.monotonic() - started).toBeLessThan(4_400)
      for (const { late } of held) await late.rollback()
      expect((await a.accepted(items)).map((r) => r.seq)).toEqual([1, 1, 1, 1, 1])
    })

    it('stops waiting for a whole table at its deadline, however many conversations the batch has', async () => {
      const a = arrange(harness)
      const ids = await Promise.all(Array.from({ length: 12 }, () => a.conversation(['ann'])))
      await a.accepted([a.text(ids[0] as string, 'ann')])
      const operator = await connect(uri)
      await operator.query(`LOCK TABLES ${table('t_cs_message')} READ`)
      const started = systemClock.monotonic()
      const items = ids.map((id) => a.text(id, 'ann'))
      const results = await harness.storage.appendMessages({ nodeId: a.nodeId, now: systemClock.now(), items, waitMs: 0 })
      expect(new Set(results.map((r) => (r.ok ? r.seq : r.held)))).toEqual(new Set([true]))
      expect(systemClock.monotonic() - started).toBeLessThan(19_000)
      await operator.query('UNLOCK TABLES')
      await operator.end()
      await a.accepted(items)
    })

    it('frees its locks within seconds when its process is frozen between lock and COMMIT', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 1)
      const key = await keyOf(id)
      // What the adapter sends first, from a client that then does nothing any more.
      const frozen = await connect(uri)
      frozen.on('error', () => undefined)
      await frozen.query(
        `SET SESSION wait_timeout = 3, SESSION net_read_timeout = 3, SESSION net_write_timeout = 3; START TRANSACTION; SELECT 1 FROM ${table('t_cs_session')} WHERE conversation_key = ${key} FOR UPDATE`,
      )
      const started = systemClock.monotonic()
      expect((await a.accepted([a.text(id, 'ann')]))[0]?.seq).toBe(2)
      expect(systemClock.monotonic() - started).toBeLessThan(5_000)
      frozen.destroy()
    })

    it('gives back connections whose sessions are as they were', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 1)
      await harness.advance(3_500)
      // A wait_timeout left at 3 s would have ended the idle connection; a retry would hide it, so the server is asked.
      const [found] = await harness.connection.query(
        `SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = DATABASE() AND command = 'Sleep' AND time >= 3`,
      )
      expect(Number((found as { n: number }[])[0]?.n)).toBeGreaterThan(0)
      await a.texts(id, 'ann', 1)
    })

    it('splits a batch that is larger than a packet may be', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const body = JSON.stringify({ type: 'text', text: 'x'.repeat(700_000) })
      const results = await a.accepted(Array.from({ length: 14 }, () => a.text(id, 'ann', '', { bodyJson: body })))
      expect(results.map((r) => r.seq)).toEqual(Array.from({ length: 14 }, (_, i) => i + 1))
    })

    it('refuses by itself what its columns cannot hold', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const results = await a.append([
        a.text(id, 'ann'),
        a.text(id, 'ann', '', { msgId: 'NOT-A-UUID' }),
        a.text(id, 'an n', '', { checkedAt: 0 }),
        a.text(id, 'ann', '', { hash: 'short' }),
        a.text(id, 'ann', '', { replyTo: "x' OR 1=1 -- " }),
        a.text(id, 'ann', '', { preview: 'p'.repeat(900) }),
        a.text(id, 'ann'),
      ])
      expect(results.map((r) => (r.ok ? r.seq : r.code))).toEqual([1, ...Array(5).fill('INVALID_REQUEST'), 2])
    })
  })
}
