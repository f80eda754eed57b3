import type { Connection, RowDataPacket } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mysqlStorage } from '../src/index.js'
import { tablesOf } from '../src/tables.js'
import { arrange } from './support/arrange.js'
import { cuttingProxy } from './support/cutting-proxy.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { connect } from './support/scratch.js'
import { seededMsgId, seedLog } from './support/seed.js'
import { type Asked, explain, type PlanLine, type SpiedStorage, spiedStorage } from './support/spy.js'
import { testServers } from './support/servers.js'

const CONVERSATIONS = 1_000
const MESSAGES = 1_000
const OF_MANY = 500
const whole = { from: 1, to: Number.MAX_SAFE_INTEGER, maxBytes: 1 << 20 } as const

/** A plan in which a table of ours is read from one end to the other, or sorted. */
const scans = ({ table, type, extra }: PlanLine): boolean =>
  !table.startsWith('<') &&
  table !== 'null' &&
  table !== 'v' &&
  (type === 'ALL' || type === 'index') &&
  !/Range checked|Select tables optimized/.test(extra)
const sorts = ({ extra }: PlanLine): boolean => extra.includes('filesort')

for (const { name, uri } of testServers) {
  describe(`query shapes on ${name} at ${CONVERSATIONS} conversations × ${MESSAGES} messages`, () => {
    let harness: MysqlHarness
    let connection: Connection
    let spied: SpiedStorage
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
      await seedLog(harness.connection, harness.namespace, { conversations: CONVERSATIONS, messages: MESSAGES, ofMany: OF_MANY })
      connection = await connect(uri)
      spied = await spiedStorage(connection, { uri, namespace: harness.namespace })
    })
    afterAll(async () => {
      await spied?.close()
      await connection?.end()
      await harness?.dispose()
    })

    /** Rows touched ≤ 3 × rows returned + 5 × conversations. */
    const bounded = ({ rowsTouched }: Asked, returned: number, conversations: number): void =>
      expect(rowsTouched, 'rows touched').toBeLessThanOrEqual(3 * returned + 5 * conversations)
    const plansOf = async ({ statements }: Asked): Promise<readonly PlanLine[]> =>
      (await Promise.all(statements.map((statement) => explain(harness.connection, statement)))).flat()

    const range = (over: object) =>
      spied.storage.readMessages({ conversationId: 'g~500', direction: 'backward', limit: 50, ...whole, ...over })
    const reads: Record<string, { run: () => Promise<unknown>; returned: number; statements?: number }> = {
      'the newest page': { run: () => range({}), returned: 51 },
      'an older page': { run: () => range({ to: 400 }), returned: 51 },
      'a page forward': { run: () => range({ from: 700, direction: 'forward' }), returned: 51 },
      'a page forward from an early one': { run: () => range({ from: 20, direction: 'forward' }), returned: 51 },
      'an entry by its msgId': { run: () => spied.storage.findEntry(seededMsgId(500, 77)), returned: 1 },
      'entries by their msgIds': {
        run: () => spied.storage.findByMsgIds(Array.from({ length: 20 }, (_, i) => seededMsgId(100 + i, 5))),
        returned: 20,
      },
      'the seq before a time': { run: () => spied.storage.lastSeqBefore('g~500', 1_700_000_000_000 + 400), returned: 1 },
      'the seq before all times': { run: () => spied.storage.lastSeqBefore('g~500', 1), returned: 1 },
      heads: { run: () => spied.storage.readHeads(['g~1', 'g~500', 'g~999', 'g~none']), returned: 4 },
      'a member': { run: () => spied.storage.readMember('g~500', 'a500'), returned: 2 },
      'a stranger': { run: () => spied.storage.readMember('g~500', 'a501'), returned: 2 },
      'some members': { run: () => spied.storage.readMembers('g~900', ['a900', 'b900', 'many', 'eve']), returned: 4 },
      'member ids': { run: () => spied.storage.listMemberIds('g~900', { limit: 2 }), returned: 2 },
      'the next member ids': { run: () => spied.storage.listMemberIds('g~900', { after: 'b900', limit: 2 }), returned: 2 },
      'members’ cursors': { run: () => spied.storage.readCursors('g~900', 10), returned: 3 },
      'a user’s few memberships': { run: () => spied.storage.memberships('a500'), returned: 2 },
      'a user’s many memberships': { run: () => spied.storage.memberships('many'), returned: OF_MANY * 2 },
      'new changes': { run: () => spied.storage.changes({ epoch: 1, id: 19_990, missing: [] }, 100), returned: 11 },
      'late changes': {
        run: () => spied.storage.changes({ epoch: 1, id: 20_000, missing: [19_950, 20_500, 20_600] }, 100),
        returned: 4,
      },
      'a start position': { run: () => spied.storage.startPosition(), returned: 101 },
      'the feed’s size': { run: () => spied.storage.feedSize(), returned: 102 },
      epoch: { run: () => spied.storage.epoch(), returned: 1 },
    }

    it.each(Object.entries(reads))('%s: by index, unsorted, in one statement, touching what it returns', async (_, { run, returned }) => {
      const asked = await spied.ask(run)
      expect(asked.statements).toHaveLength(1)
      bounded(asked, returned, 1)
      const plan = await plansOf(asked)
      expect(plan.filter(scans)).toEqual([])
      expect(plan.filter((line) => sorts(line) && !line.table.startsWith('<') && line.table !== 'f' && line.table !== 's')).toEqual([])
    })

    it('a page of summaries reads each of the user’s conversations a bounded number of times, in one statement', async () => {
      const asked = await spied.ask(() => spied.storage.summaries('many', { limit: 100 }))
      expect(asked.statements).toHaveLength(1)
      // The list is sorted by what appends change; an index on that would be written by every append for every member.
      bounded(asked, 100, OF_MANY)
      expect((await plansOf(asked)).filter(scans)).toEqual([])
      const few = await spied.ask(() => spied.storage.summaries('a500', { limit: 100 }))
      bounded(few, 1, 2)
      const { next } = await spied.storage.summaries('many', { limit: 100 })
      bounded(await spied.ask(() => spied.storage.summaries('many', { limit: 100, cursor: next })), 100, OF_MANY)
    })

    it.each([
      ['t_im_offline_message', `receiver_id = 'many'`, OF_MANY * 3, OF_MANY],
      ['t_im_offline_message', `receiver_id = 'a500'`, 3, 1],
      ['t_im_unread_counter', `user_id = 'many'`, OF_MANY, OF_MANY],
      ['t_im_unread_counter', `user_id = 'b500'`, 1, 1],
    ])('the view %s where %s', async (view, where, returned, conversations) => {
      const statement = `SELECT * FROM \`${harness.namespace}_${view}\` WHERE ${where}`
      let rows: RowDataPacket[] = []
      const asked = await spied.ask(async () => {
        ;[rows] = await connection.query<RowDataPacket[]>(statement)
      })
      expect(rows).toHaveLength(returned)
      bounded(asked, returned, conversations)
      expect((await explain(harness.connection, statement)).filter(scans)).toEqual([])
      if (view === 't_im_unread_counter') expect(Number(rows[0]?.['unread_count'])).toBe(5)
      else expect(rows.at(-1)).toMatchObject({ msg_brief: expect.stringMatching(/^message \d+ of \d+$/), seq: MESSAGES })
    })

    it('locks heads and finds msgIds by index, whatever the table’s size', async () => {
      const tables = tablesOf(new URL(uri).pathname.slice(1), `${harness.namespace}_`)
      const keys = Array.from({ length: 100 }, (_, i) => i * 10 + 1)
      const { lockHeads, findStored, findMembers } = await import('../src/append/lock-heads.js')
      const items = keys.map((key) => ({ msgId: seededMsgId(key, 5) }))
      for (const statement of [
        lockHeads(tables, keys, 'wait'),
        lockHeads(tables, keys.slice(0, 1), 'skip'),
        findStored(tables, items as never),
        findMembers(
          tables,
          keys.map((key) => ({ key, userId: `a${key}` })),
        ),
      ]) {
        const plan = await explain(harness.connection, statement.text)
        expect(plan.filter((line) => scans(line) || sorts(line))).toEqual([])
      }
    })

    it('appends, edits, recalls and moves cursors by key', async () => {
      const a = arrange(harness)
      const proxy = await cuttingProxy(uri)
      const storage = mysqlStorage({ uri: proxy.uri, namespace: harness.namespace, migrations: 'off', logger: { warn: () => undefined } })
      await storage.start()
      const asked = new Set<string>()
      proxy.onSend = (chunk) => {
        for (const statement of chunk.toString('latin1').slice(5).split(';\n')) asked.add(statement)
        return 'pass'
      }
      const aimed = { countable: false, checkedAt: 0 } as const
      const items = Array.from({ length: 30 }, (_, i) => 600 + i).flatMap((n) => [
        a.text(`g~${n}`, `a${n}`, 'x', { mentions: [`b${n}`], checkedAt: 0 }),
        a.text(`g~${n}`, `a${n}`, 'y', { kind: 'edit', target: seededMsgId(n, 70), ...aimed }),
        a.text(`g~${n}`, `a${n}`, '', { kind: 'recall', target: seededMsgId(n, 71), ...aimed }),
      ])
      await a.accepted(items, storage)
      await storage.advanceCursors([{ conversationId: 'g~600', userId: 'b600', readSeq: 999 }])
      await storage.close()
      await proxy.close()
      const writes = [...asked].filter((statement) => /^(UPDATE|SELECT)[^;]*_t_/.test(statement))
      expect(writes.length).toBeGreaterThan(5)
      for (const statement of writes) {
        const plan = await explain(harness.connection, statement)
        expect(
          plan.filter((line) => scans(line) || sorts(line)),
          statement.slice(0, 300),
        ).toEqual([])
      }
    })

    it('moves cursors and finds what may expire by index', async () => {
      const moves = Array.from({ length: 50 }, (_, i) => ({ conversationId: `g~${500 + i}`, userId: `a${500 + i}`, readSeq: 990 }))
      const asked = await spied.ask(() => spied.storage.advanceCursors(moves))
      expect(asked.statements).toHaveLength(1)
      // A row per move of what is asked for, one of each table.
      bounded(asked, 50, 50)
      expect((await plansOf(asked)).filter(scans)).toEqual([])
      const idle = await spied.ask(() => spied.storage.expireMessages({ before: 1_600_000_000_000, limit: 1_000 }))
      bounded(idle, 1, 1)
      expect((await plansOf(idle)).filter((line) => scans(line) || sorts(line))).toEqual([])
    })
  })
}
