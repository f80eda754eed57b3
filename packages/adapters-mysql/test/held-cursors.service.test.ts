import { systemClock } from '@innerline/server-core'
import type { Connection } from 'mysql2/promise'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { arrange } from './support/arrange.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { connect } from './support/scratch.js'
import { testServers } from './support/servers.js'

// A host's transaction keeps the cursor rows of its sender and of those it mentions locked for as long as it lasts.
for (const { name, uri } of testServers) {
  describe(`cursors beside a row that is held on ${name}`, () => {
    let harness: MysqlHarness
    let holder: Connection
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
    })
    afterEach(() => holder.destroy())
    afterAll(() => harness.dispose())

    const hold = async (conversationId: string, userId: string): Promise<void> => {
      holder = await connect(uri)
      await holder.beginTransaction()
      // Locks the head as well, which a cursor flush must not mind.
      await holder.query(
        `SELECT 1 FROM ${harness.namespace}_t_im_cursor c JOIN ${harness.namespace}_t_cs_session s ON s.conversation_key = c.conversation_key
         WHERE s.session_id = ? AND c.user_id = ? FOR UPDATE`,
        [conversationId, userId],
      )
    }
    const timed = async <T>(work: Promise<T>): Promise<[T, number]> => {
      const started = systemClock.monotonic()
      const result = await work
      return [result, systemClock.monotonic() - started]
    }

    it('are written in the same call, all but the one, and soon', async () => {
      const a = arrange(harness)
      const users = Array.from({ length: 60 }, (_, i) => `user-${String(i).padStart(2, '0')}`)
      const ids = await Promise.all(Array.from({ length: 5 }, () => a.conversation(['ann', ...users])))
      for (const id of ids) await a.texts(id, 'ann', 4)
      const held = ids[2] as string
      await hold(held, 'user-30')
      const moves = (readSeq: number) => ids.flatMap((conversationId) => users.map((userId) => ({ conversationId, userId, readSeq })))
      const [states, took] = await timed(harness.storage.advanceCursors(moves(2)))
      const isHeld = (i: number): boolean => moves(2)[i]?.conversationId === held && moves(2)[i]?.userId === 'user-30'
      expect(took, 'a lock is waited for by the second').toBeLessThan(1_500)
      states.forEach((state, i) => {
        if (isHeld(i)) expect(state).toEqual({ deliveredSeq: 0, readSeq: 0, unread: 4, headOrd: 4, moved: false, held: true })
        else expect(state).toEqual({ deliveredSeq: 2, readSeq: 2, unread: 2, headOrd: 4, moved: true })
      })
      // Two moves of the held row: none may be called written for what the other would have written.
      const twice = [3, 2].map((readSeq) => ({ conversationId: held, userId: 'user-30', readSeq }))
      const [[first, second], tookAgain] = await timed(harness.storage.advanceCursors(twice))
      expect([first?.held, second?.held, first?.readSeq, second?.readSeq]).toEqual([true, true, 0, 0])
      expect(tookAgain, 'once known to be held, it is not waited for').toBeLessThan(800)
      const [, third] = await timed(harness.storage.advanceCursors(moves(3)))
      expect(third, 'nor are the others delayed again').toBeLessThan(800)
      await holder.rollback()
      expect((await harness.storage.advanceCursors(twice)).map((state) => [state?.readSeq, state?.moved])).toEqual([
        [3, true],
        [3, false],
      ])
      const cursors = await Promise.all(ids.map((id) => harness.storage.readCursors(id, 100)))
      expect(cursors.flat().filter(({ userId }) => userId !== 'ann')).toEqual(
        ids.flatMap(() => users.map((userId) => ({ userId, deliveredSeq: 3, readSeq: 3 }))),
      )
    })

    it('are waited for by nobody who has nothing to write there', async () => {
      const a = arrange(harness)
      const id = await a.conversation(['ann', 'bob'])
      await a.texts(id, 'ann', 4)
      await harness.storage.advanceCursors([{ conversationId: id, userId: 'bob', readSeq: 2 }])
      await hold(id, 'bob')
      const [states, took] = await timed(harness.storage.advanceCursors([{ conversationId: id, userId: 'bob', readSeq: 2 }]))
      expect(states).toEqual([{ deliveredSeq: 2, readSeq: 2, unread: 2, headOrd: 4, moved: false }])
      expect(took).toBeLessThan(800)
    })
  })
}
