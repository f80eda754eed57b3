import { type Clock, systemClock } from '@innerline/server-core'
import mysql, { type Connection } from 'mysql2/promise'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type DriverConnection, openWithMysql2 } from '../src/driver.js'
import { type MysqlStorageOptions, mysqlStorage } from '../src/index.js'
import { checkServer } from '../src/server-check.js'
import { arrange } from './support/arrange.js'
import { mysqlHarness } from './support/mysql-harness.js'
import { connect, dropNamespace, freshNamespace } from './support/scratch.js'
import { testServers } from './support/servers.js'
import { spreadingProxy } from './support/spreading-proxy.js'

for (const { name, uri } of testServers) {
  describe(`start() on ${name}, where something is wrong`, () => {
    let operator: Connection
    const namespaces: string[] = []
    const users: string[] = []
    const fresh = (): string => {
      const namespace = freshNamespace()
      namespaces.push(namespace)
      return namespace
    }
    beforeAll(async () => {
      operator = await connect(uri)
    })
    afterEach(async () => {
      for (const user of users.splice(0)) await operator.query(`DROP USER '${user}'@'%'`)
      for (const namespace of namespaces.splice(0)) await dropNamespace(uri, namespace)
    })
    afterAll(() => operator.end())

    const started = async (options: MysqlStorageOptions): Promise<readonly string[]> => {
      const said: string[] = []
      const storage = mysqlStorage({ ...options, logger: { warn: (_: object, message: string) => void said.push(message) } })
      await storage.start()
      await storage.close()
      return said
    }

    /** An account of its own with these rights on the database. */
    const accountWith = async (rights: string): Promise<string> => {
      const user = `u${freshNamespace()}`
      await operator.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'secret'`)
      users.push(user)
      await operator.query(`GRANT ${rights} ON \`${new URL(uri).pathname.slice(1)}\`.* TO '${user}'@'%'`)
      const limited = new URL(uri)
      limited.username = user
      limited.password = 'secret'
      return limited.href
    }

    const off = (ms: number): Clock => ({ ...systemClock, now: () => systemClock.now() + ms })
    it.each([-61_000, 61_000])('refuses a clock that is %i ms off', async (ms) => {
      await expect(started({ uri, namespace: fresh(), clock: off(ms) })).rejects.toThrow(
        new RegExp(`clock is ${-ms / 1_000} s off this machine's; synchronise`),
      )
    })

    it('warns of clocks that are some seconds apart', async () => {
      const said = await started({ uri, namespace: fresh(), clock: off(5_000) })
      expect(said.filter((message) => /clock is -[45]\d\d\d ms off/.test(message))).toHaveLength(1)
      expect((await started({ uri, namespace: fresh() })).filter((message) => message.includes('clock'))).toEqual([])
    })

    it('refuses what spreads a transaction over several connections', async () => {
      const proxy = await spreadingProxy(uri)
      const namespace = fresh()
      await expect(started({ uri: proxy.uri, namespace })).rejects.toThrow(/different connections.*Connect to the database directly/)
      await proxy.close()
    })

    it('refuses a pool that leads to another server, and takes one that leads to the same', async () => {
      const pool = mysql.createPool({ uri })
      await started({ pool, namespace: fresh() })
      // What a replica would say of itself in place of the primary.
      const other = {
        async getConnection() {
          const connection = await pool.getConnection()
          const { connection: core } = connection as unknown as { connection: DriverConnection }
          return {
            query: (options: { sql: string }, done: (error: unknown, result?: unknown) => void) =>
              core.query({ ...options, sql: options.sql.replace("'port'", "'hostname','version_comment'") }, done),
            ...{ destroy: () => connection.destroy(), end: () => connection.release(), on: () => undefined },
            release: () => connection.release(),
          }
        },
      }
      await expect(started({ pool: other as never, connection: uri, namespace: fresh() })).rejects.toThrow(
        /`pool` leads to another server.*primary/,
      )
      await pool.end()
    })

    it('refuses what sends reads outside of a transaction to another server', async () => {
      const core = await openWithMysql2({ uri })
      let open = false
      const splitting: DriverConnection = {
        query(options, done) {
          const { sql: text } = options as { sql: string }
          if (/START TRANSACTION/.test(text)) open = true
          if (/ROLLBACK/.test(text)) open = false
          return core.query({ ...options, sql: open ? text : text.replace("'port'", "'version_comment'") }, done)
        },
        ...{ destroy: () => core.destroy(), end: (done) => core.end(done), on: (event, listener) => core.on(event, listener) },
      }
      await expect(checkServer(splitting, systemClock)).rejects.toThrow(/reads outside of transactions to another server/)
      await expect(checkServer(core, systemClock)).resolves.toBeDefined()
      core.destroy()
    })

    it('refuses a schema that is not there, and leaves making it to others', async () => {
      const namespace = fresh()
      await expect(started({ uri, namespace, migrations: 'off' })).rejects.toThrow(/is not there as it should be; see `migrations`/)
    })

    it('says what an account lacks that is to make the schema', async () => {
      const namespace = fresh()
      const reader = await accountWith('SELECT, INSERT, UPDATE, DELETE')
      await expect(started({ uri: reader, namespace })).rejects.toThrow(
        /may not make the tables: .*grant CREATE, DROP and CREATE VIEW, or apply the SQL files/,
      )
    })

    it('needs no more than the documented rights, to make the schema and to work', async () => {
      const maker = await accountWith('SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, CREATE VIEW')
      const worker = await accountWith('SELECT, INSERT, UPDATE, DELETE')
      let made = false
      const harness = await mysqlHarness(uri, (namespace) => {
        namespaces.push(namespace)
        const first = !made
        made = true
        return first ? { uri: maker, namespace } : { uri: worker, namespace, migrations: 'verify' }
      })
      const a = arrange(harness)
      const id = await a.conversation(['ann', 'bob'])
      const storage = await harness.second()
      await a.accepted([a.text(id, 'ann'), a.text(id, 'ann')], storage)
      await storage.advanceCursors([{ conversationId: id, userId: 'bob', readSeq: 1 }])
      const lease = await storage.acquireLease({ name: 'l', holder: 'h', ttlMs: 10_000 })
      if (lease === undefined) throw new Error('A free lease was not given.')
      const { position } = await storage.openReader('r')
      await storage.saveReader({ name: 'r', position, lease })
      await storage.resolveGaps({ lease, readUpTo: position.id, probe: [], young: [] })
      await storage.trimChanges({ keepMs: 0, readerLostAfterMs: 60_000, limit: 10 })
      expect(await storage.expireMessages({ before: systemClock.now() + 1_000, limit: 1 })).toMatchObject({ expired: 1 })
      await storage.raiseEpoch()
      await harness.dispose()
    })
  })
}
