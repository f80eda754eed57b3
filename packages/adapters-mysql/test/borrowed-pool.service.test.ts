import { storageContract } from '@innerline/server-core/contract'
import mysqlCallback from 'mysql2'
import mysql, { type Pool, type PoolConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mysqlStorage } from '../src/index.js'
import { arrange } from './support/arrange.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { rowsOf } from './support/scratch.js'
import { testServers } from './support/servers.js'

/** Everything a host may have set that reads differently from what we would set. */
const worst = {
  ...{ supportBigNumbers: false, bigNumberStrings: true, dateStrings: true, decimalNumbers: true, rowsAsArray: true, nestTables: '_' },
  ...{ flags: ['FOUND_ROWS'], timezone: '+08:00', stringifyObjects: false, multipleStatements: false, namedPlaceholders: true },
  ...{ connectionLimit: 2, charset: 'latin1' },
  typeCast: (field: { type: string; string(): string | null }, next: () => unknown) =>
    field.type === 'TINY' ? field.string() === '1' : next(),
  queryFormat: (sql: string, values: unknown) =>
    values === undefined ? sql : sql.replace(/:(\w+)/g, "'spoilt $1'").replace(/\?/g, "'spoilt'"),
}

for (const { name, uri } of testServers) {
  describe(`a borrowed pool on ${name}`, () => {
    const pools: Pool[] = []
    let used = 0
    const worstPool = (): Pool => {
      const pool = mysql.createPool({ uri, ...worst } as never)
      pool.on('connection', (connection) => {
        const plain = connection as unknown as { query(statement: string): unknown }
        plain.query("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")
        plain.query('SET SESSION sql_select_limit = 1')
        plain.query('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED')
      })
      pool.on('release', () => used++)
      pools.push(pool)
      return pool
    }
    afterAll(async () => {
      // A pool that fails at everything would be passed over for our own connections, and prove nothing.
      expect(used, 'reads were made on the pools and their connections given back').toBeGreaterThan(500)
      // Still open: the storages that borrowed them were closed before.
      for (const pool of pools) {
        await pool.query('SELECT 1')
        await pool.end()
      }
    })

    storageContract('with its settings at their worst', () => mysqlHarness(uri, (namespace) => ({ pool: worstPool(), namespace })))

    describe('whose connections are not as they should be', () => {
      let harness: MysqlHarness
      let pool: Pool
      beforeAll(async () => {
        pool = mysql.createPool({ uri, connectionLimit: 1, flags: ['FOUND_ROWS'] })
        harness = await mysqlHarness(uri, (namespace) => ({ pool, namespace }))
      })
      afterAll(async () => {
        await harness.dispose()
        await pool.end()
      })
      const table = (bare: string): string => `\`${harness.namespace}_${bare}\``

      it('is read past a transaction that the host has leaked, which goes on untouched', async () => {
        const a = arrange(harness)
        const id = await a.conversation(['ann'])
        const leaked = await pool.getConnection()
        await leaked.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
        await leaked.beginTransaction()
        await leaked.query(`SELECT * FROM ${table('t_cs_session')}`)
        await leaked.query(`INSERT INTO ${table('t_im_lease')} (name, holder, fence, expires_at) VALUES ('leaked', '', 1, 0)`)
        leaked.release()
        await a.texts(id, 'ann', 3)
        const [head] = await harness.storage.readHeads([id])
        expect(head?.headSeq, 'not from the old snapshot').toBe(3)
        expect(
          await rowsOf(harness.connection, `SELECT 1 FROM ${table('t_im_lease')} WHERE name = 'leaked'`),
          'nothing was committed',
        ).toEqual([])
        const again = await pool.getConnection()
        const [own] = await again.query(`SELECT 1 FROM ${table('t_im_lease')} WHERE name = 'leaked'`)
        expect(own, 'nothing was rolled back').toHaveLength(1)
        await again.rollback()
        again.release()
      })

      it('is read past a connection without autocommit, and leaves no transaction open in it', async () => {
        const a = arrange(harness)
        const id = await a.conversation(['ann'])
        const odd = await pool.getConnection()
        await odd.query('SET SESSION autocommit = 0')
        odd.release()
        for (let seq = 1; seq <= 3; seq++) {
          await a.texts(id, 'ann', 1)
          expect((await harness.storage.readHeads([id]))[0]?.headSeq).toBe(seq)
        }
        const back = await pool.getConnection()
        await back.query('SET SESSION autocommit = 1')
        back.release()
      })

      const hostSays = async (...statements: readonly string[]): Promise<void> => {
        const connection = await pool.getConnection()
        for (const statement of statements) await connection.query(statement)
        connection.release()
      }
      /** Whether two reads of one transaction of the host's show the same, whatever is committed between them. */
      const readsRepeat = async (commit: () => Promise<unknown>): Promise<boolean> => {
        const connection = await pool.getConnection()
        const count = async () => Number((await rowsOf(connection, `SELECT COUNT(*) AS n FROM ${table('t_cs_message')}`))[0]?.['n'])
        await connection.query('START TRANSACTION')
        const first = await count()
        await commit()
        const second = await count()
        await connection.query('ROLLBACK')
        connection.release()
        return first === second
      }

      it('shows nothing that is not committed, at READ UNCOMMITTED too, and keeps its level', async () => {
        const a = arrange(harness)
        const id = await a.conversation(['ann'])
        const position = await harness.storage.startPosition()
        await hostSays('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED')
        const item = a.text(id, 'ann')
        const late = await harness.lateAppend(item)
        expect((await harness.storage.findByMsgIds([item.msgId])).size).toBe(0)
        expect((await harness.storage.changes(position, 10)).changes).toEqual([])
        await late.rollback()
        await hostSays('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
        await harness.storage.readHeads([id])
        expect(await readsRepeat(() => a.texts(id, 'ann', 1)), 'after a read of ours').toBe(true)
      })

      it.each([
        ['without autocommit', 'SET SESSION autocommit = 0', 'SET SESSION autocommit = 1'],
        ['whose read fails', 'RENAME TABLE %user TO %gone', 'RENAME TABLE %gone TO %user'],
      ])('keeps its level where it is one %s', async (_, before, after) => {
        const a = arrange(harness)
        const id = await a.conversation(['ann'])
        const named = (statement: string) => statement.replace(/%/g, `${harness.namespace}_t_im_`)
        await hostSays('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ', named(before))
        await harness.storage.readUsers(['ann']).catch(() => undefined)
        expect(await readsRepeat(() => a.texts(id, 'ann', 1))).toBe(true)
        await hostSays(named(after))
      })

      it('shows everything, however few rows the host wants to see', async () => {
        const a = arrange(harness)
        const user = `user-${harness.namespace}`
        const ids = [await a.conversation([user]), await a.conversation([user]), await a.conversation([user])]
        await hostSays('SET SESSION sql_select_limit = 1')
        expect((await harness.storage.memberships(user)).map((each) => each.conversationId).sort()).toEqual([...ids].sort())
        await hostSays('SET SESSION sql_select_limit = DEFAULT')
      })

      it('is not waited for while the host keeps all of it busy', async () => {
        const a = arrange(harness)
        const id = await a.conversation(['ann'])
        const busy: PoolConnection = await pool.getConnection()
        await busy.beginTransaction()
        await a.texts(id, 'ann', 1)
        expect((await harness.storage.readHeads([id]))[0]?.headSeq).toBe(1)
        await busy.rollback()
        busy.release()
        // The connection that came too late went straight back.
        await pool.query('SELECT 1')
      })

      it('is read wherever the host has sent its connection', async () => {
        const a = arrange(harness)
        const id = await a.conversation(['ann'])
        await pool.query('USE information_schema')
        await a.texts(id, 'ann', 1)
        expect((await harness.storage.readHeads([id]))[0]?.headSeq).toBe(1)
        await pool.query(`USE \`${new URL(uri).pathname.slice(1)}\``)
      })
    })

    it.each([{ waitForConnections: false }, { queueLimit: 1 }])('is passed over where it refuses to lend one: %o', async (full) => {
      const pool = mysql.createPool({ uri, connectionLimit: 1, ...full })
      const harness = await mysqlHarness(uri, (namespace) => ({ pool, namespace }))
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const busy = await pool.getConnection()
      const queued = 'queueLimit' in full ? [pool.getConnection()] : []
      expect(await harness.storage.readHeads([id])).toHaveLength(1)
      busy.release()
      for (const each of queued) (await each).release()
      await harness.dispose()
      await pool.end()
    })

    it('keeps a place in its queue for the host, however many reads have waited in vain', async () => {
      const pool = mysql.createPool({ uri, connectionLimit: 1, queueLimit: 2 })
      const harness = await mysqlHarness(uri, (namespace) => ({ pool, namespace }))
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      const busy = await pool.getConnection()
      for (let round = 0; round < 3; round++) {
        const heads = await Promise.all(Array.from({ length: 10 }, () => harness.storage.readHeads([id])))
        expect(heads.flat()).toHaveLength(10)
      }
      const own = pool.query('SELECT 1')
      busy.release()
      await own
      // It lends again as soon as it can.
      let lent = 0
      pool.on('acquire', () => lent++)
      await harness.storage.readHeads([id])
      expect(lent).toBe(1)
      await harness.dispose()
      await pool.end()
    })

    it('may be of callback form, or ended by the host, which costs nothing but its use', async () => {
      const pool = mysqlCallback.createPool({ uri, connectionLimit: 2 })
      const harness = await mysqlHarness(uri, (namespace) => ({ pool, namespace }))
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 2)
      expect((await harness.storage.readHeads([id]))[0]?.headSeq).toBe(2)
      await new Promise<void>((resolve) => pool.end(() => resolve()))
      await a.texts(id, 'ann', 1)
      expect((await harness.storage.readHeads([id]))[0]?.headSeq).toBe(3)
      await harness.dispose()
    })

    it('that does not show how it connects needs `connection`', async () => {
      const inner = mysql.createPool({ uri, connectionLimit: 2 })
      const wrapped = { getConnection: () => inner.getConnection() }
      expect(() => mysqlStorage({ pool: wrapped })).toThrow(/`connection`/)
      const harness = await mysqlHarness(uri, (namespace) => ({ pool: wrapped, connection: uri, namespace }))
      const a = arrange(harness)
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 2)
      expect((await harness.storage.readHeads([id]))[0]?.headSeq).toBe(2)
      await harness.dispose()
      await inner.query('SELECT 1')
      await inner.end()
    })
  })
}
