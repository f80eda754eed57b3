import { readLog } from '@innerline/server-core/contract'
import type { AppendItem, AppendResult } from '@innerline/server-core'
import type { Connection } from 'mysql2/promise'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { arrange } from './support/arrange.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { connect, rowsOf } from './support/scratch.js'
import { testServers } from './support/servers.js'

for (const { name, uri } of testServers) {
  describe.each(['READ COMMITTED', 'REPEATABLE READ'])(`a host's transaction on ${name} at %s`, (level) => {
    let harness: MysqlHarness
    const open: Connection[] = []
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
    })
    afterEach(async () => {
      for (const connection of open.splice(0)) connection.destroy()
    })
    afterAll(() => harness.dispose())

    const begin = async (): Promise<Connection> => {
      const connection = await connect(uri, { multipleStatements: false })
      open.push(connection)
      await connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${level}`)
      await connection.query('SET SESSION innodb_lock_wait_timeout = 2')
      await connection.beginTransaction()
      // A snapshot from before anything that follows, where the level has one.
      await connection.query(`SELECT COUNT(*) FROM \`${harness.namespace}_t_cs_message\``)
      return connection
    }
    const send = async (tx: Connection, items: readonly AppendItem[]): Promise<readonly AppendResult[]> =>
      (await harness.storage.appendInTransaction?.(tx, { nodeId: 'host', now: harness.clock.now(), items })) ?? []

    it('shows nothing before its commit, and everything after', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann', 'bob'])
      const start = await harness.storage.startPosition()
      const tx = await begin()
      expect(await send(tx, [a.text(id, 'ann', 'one'), a.text(id, 'ann', 'two', { mentions: ['bob', 'stranger'] })])).toMatchObject([
        { ok: true, seq: 1, duplicate: false },
        { ok: true, seq: 2, duplicate: false },
      ])
      expect(await readLog(harness.storage, id)).toEqual([])
      await tx.commit()
      expect((await readLog(harness.storage, id)).map((entry) => entry.seq)).toEqual([1, 2])
      const { changes } = await harness.storage.changes(start, 10)
      expect(changes.map((change) => [change.firstSeq, change.lastSeq])).toEqual([
        [1, 1],
        [2, 2],
      ])
      expect((await harness.storage.readMember(id, 'bob'))?.member).toMatchObject({ mentionSeq: 2 })
      expect((await harness.storage.readMember(id, 'ann'))?.member).toMatchObject({ sentOrd: 2 })
    })

    it('leaves nothing when it rolls back', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'ann')
      const tx = await begin()
      await send(tx, [item])
      await tx.rollback()
      expect(await readLog(harness.storage, id)).toEqual([])
      expect((await a.accepted([item]))[0]).toMatchObject({ seq: 1, duplicate: false })
    })

    it('sees what has been committed since its snapshot: heads, members, msgIds', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const tx = await begin()
      const item = a.text(id, 'ann')
      await a.accepted([item, a.text(id, 'ann')])
      await harness.arrangeMember(id, 'bob', {})
      expect(await send(tx, [item])).toMatchObject([{ ok: true, seq: 1, duplicate: true }])
      expect(await send(tx, [a.text(id, 'bob')])).toMatchObject([{ ok: true, seq: 3 }])
      expect(await send(tx, [a.text(id, 'eve', '', { checkedAt: 0 })])).toMatchObject([{ ok: false, code: 'NOT_MEMBER' }])
      await tx.commit()
      expect((await readLog(harness.storage, id)).map((entry) => entry.seq)).toEqual([1, 2, 3])
    })

    it('settles a msgId that it sends twice, or that commits elsewhere meanwhile', async () => {
      const a = arrange(harness)
      const [id, other] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const twice = a.text(id, 'ann')
      const tx = await begin()
      expect(await send(tx, [twice, twice])).toMatchObject([
        { ok: true, seq: 1, duplicate: false },
        { ok: true, seq: 1, duplicate: true },
      ])
      // The same id under way in another conversation on another connection: one of the two waits for the other's end.
      const racing = harness.storage.appendMessages({ nodeId: 'n', now: harness.clock.now(), items: [{ ...twice, conversationId: other }] })
      await harness.advance(100)
      await tx.commit()
      expect(await racing).toMatchObject([{ ok: false, code: 'MSG_ID_CONFLICT' }])
      const late = await begin()
      const item = a.text(other, 'ann')
      await a.accepted([item])
      expect(await send(late, [{ ...item, conversationId: id }])).toMatchObject([{ ok: false, code: 'MSG_ID_CONFLICT' }])
      await late.commit()
    })

    it.each(['commit', 'rollback'] as const)('waits for another transaction that has its msgId, and obeys its %s', async (end) => {
      const a = arrange(harness)
      const [id, other] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const item = a.text(other, 'ann')
      const first = await begin()
      await send(first, [item])
      const second = await begin()
      const waiting = send(second, [{ ...item, conversationId: id }])
      await harness.advance(300)
      await first[end]()
      const [result] = await waiting
      if (end === 'commit') expect(result).toMatchObject({ ok: false, code: 'MSG_ID_CONFLICT' })
      else expect(result).toMatchObject({ ok: true, seq: 1, duplicate: false })
      // A refusal leaves the transaction good: the host goes on in it.
      expect(await send(second, [a.text(id, 'ann')])).toMatchObject([{ ok: true, seq: end === 'commit' ? 1 : 2 }])
      await second.commit()
      expect([(await readLog(harness.storage, id)).length, (await readLog(harness.storage, other)).length]).toEqual(
        end === 'commit' ? [1, 1] : [2, 0],
      )
    })

    it('answers as a repeat what commits in its own conversation just before it takes the lock', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'ann')
      const tx = await begin()
      const late = await harness.lateAppend(item)
      const waiting = send(tx, [item])
      await harness.advance(300)
      await late.commit()
      expect(await waiting).toMatchObject([{ ok: true, seq: 1, duplicate: true }])
      await tx.commit()
      expect(await readLog(harness.storage, id)).toHaveLength(1)
    })

    it('makes nobody wait in another conversation: appends, new conversations, cursors', async () => {
      const a = arrange(harness)
      const others = await Promise.all(Array.from({ length: 6 }, () => a.conversation(['ann', 'bob'])))
      const id = await a.conversation(['ann', 'bob'])
      const tx = await begin()
      expect(await send(tx, [a.text(id, 'ann', 'x', { mentions: ['nobody', 'bob', 'zoe'] }), a.text(id, 'ann')])).toMatchObject([
        { ok: true },
        { ok: true },
      ])
      const duplicate = a.text(others[0] as string, 'ann')
      await a.accepted([duplicate])
      expect(await send(tx, [{ ...duplicate, conversationId: id }])).toMatchObject([{ ok: false, code: 'MSG_ID_CONFLICT' }])
      const started = harness.clock.monotonic()
      for (const other of others) await a.texts(other, 'ann', 3)
      for (let i = 0; i < 6; i++) await a.texts(await a.conversation(['aa', 'mm', 'zz', `new-${i}`]), 'aa', 1)
      await harness.storage.advanceCursors(others.map((conversationId) => ({ conversationId, userId: 'bob', readSeq: 2 })))
      expect(harness.clock.monotonic() - started, 'nothing waited for a lock').toBeLessThan(900)
      await tx.rollback()
    })

    it('is refused in a conversation that has not been opened, and waits a bounded time for one that is locked', async () => {
      const a = arrange(harness)
      const tx = await begin()
      expect(await send(tx, [a.text('g~not-there', 'ann')])).toMatchObject([{ ok: false, code: 'STATE_CONFLICT' }])
      const id = await a.conversation(['ann'])
      const holder = await begin()
      await send(holder, [a.text(id, 'ann')])
      await expect(send(tx, [a.text(id, 'ann')])).rejects.toMatchObject({ code: 'BUSY' })
      await holder.commit()
      expect(await send(tx, [a.text(id, 'ann')])).toMatchObject([{ ok: true, seq: 2 }])
      await tx.commit()
    })

    it('keeps the session of the host as it was', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const tx = await begin()
      const session =
        'SELECT @@wait_timeout AS w, @@net_read_timeout AS r, @@sql_mode AS m, @@innodb_lock_wait_timeout AS l, @@autocommit AS c'
      const before = await rowsOf(tx, session)
      await send(tx, [a.text(id, 'ann')])
      expect(await rowsOf(tx, session)).toEqual(before)
      await tx.commit()
    })

    it('needs a transaction, and writes nothing where none is open or it has ended', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const tx = await begin()
      const ends = ['COMMIT', 'ROLLBACK', `CREATE TABLE ${harness.namespace}_own_${level.length} (a INT)`]
      for (const end of ends) {
        await tx.query(end)
        await expect(send(tx, [a.text(id, 'ann')]), `after ${end}`).rejects.toMatchObject({
          code: 'INVALID_REQUEST',
          detail: expect.stringContaining('No transaction is open'),
        })
        await tx.beginTransaction()
      }
      await tx.rollback()
      expect(await readLog(harness.storage, id)).toEqual([])
      expect((await a.accepted([a.text(id, 'ann')]))[0]).toMatchObject({ seq: 1 })
    })

    it('may be one that nobody has begun, where the session does not commit by itself', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const tx = await begin()
      await tx.rollback()
      await tx.query('SET SESSION autocommit = 0')
      expect(await send(tx, [a.text(id, 'ann')])).toMatchObject([{ ok: true, seq: 1 }])
      await tx.rollback()
      expect(await readLog(harness.storage, id)).toEqual([])
    })

    it('needs a connection', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      for (const tx of [undefined, null, 'tx', {}, { connection: {} }]) {
        await expect(send(tx as never, [a.text(id, 'ann')])).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
      }
    })
  })
}
