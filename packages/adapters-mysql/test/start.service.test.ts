import type { Connection } from 'mysql2/promise'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { migrations, mysqlStorage, sqlFileOf } from '../src/index.js'
import { cuttingProxy } from './support/cutting-proxy.js'
import { connect, dropNamespace, freshNamespace, rowsOf } from './support/scratch.js'
import { testServers } from './support/servers.js'

for (const { name, uri } of testServers) {
  describe(`start() on ${name}`, () => {
    let operator: Connection
    let namespace = freshNamespace()
    const namespaces: string[] = []
    const fresh = (): string => {
      namespace = freshNamespace()
      namespaces.push(namespace)
      return namespace
    }
    beforeAll(async () => {
      operator = await connect(uri)
    })
    afterEach(async () => {
      for (const each of namespaces.splice(0)) await dropNamespace(uri, each)
    })
    afterAll(() => operator.end())

    const tableNames = async (prefix: string): Promise<string[]> =>
      (
        await rowsOf(
          operator,
          `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE '${prefix}\\_%' ORDER BY table_name`,
        )
      ).map((row) => String(row['name']).slice(prefix.length + 1))

    it('makes the schema when many nodes start at once', async () => {
      fresh()
      const nodes = Array.from({ length: 6 }, () => mysqlStorage({ uri, namespace }))
      await Promise.all(nodes.map((node) => node.start()))
      const applied = await rowsOf(operator, `SELECT version FROM ${namespace}_t_im_schema_version`)
      expect(applied).toHaveLength(migrations.length)
      expect(await tableNames(namespace)).toEqual(
        expect.arrayContaining(['t_cs_message', 't_cs_session', 't_im_cursor', 't_im_offline_message', 't_im_unread_counter']),
      )
      await Promise.all(nodes.map((node) => node.close()))
    })

    it('may be repeated, after a close as well, and changes nothing the second time', async () => {
      fresh()
      const storage = mysqlStorage({ uri, namespace })
      await storage.start()
      const { position } = await storage.openReader('kept')
      await storage.close()
      await expect(storage.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await storage.start()
      expect((await storage.openReader('kept')).position).toEqual(position)
      await storage.close()
    })

    it('finishes what a crash has left half done', async () => {
      fresh()
      const first = mysqlStorage({ uri, namespace })
      await first.start()
      await first.close()
      for (const table of ['t_im_user', 't_im_dead_letter']) await operator.query(`DROP TABLE ${namespace}_${table}`)
      await operator.query(`DROP VIEW ${namespace}_t_im_unread_counter`)
      await operator.query(`DELETE FROM ${namespace}_t_im_schema_version`)
      const second = mysqlStorage({ uri, namespace })
      await second.start()
      expect(await tableNames(namespace)).toEqual(expect.arrayContaining(['t_im_dead_letter', 't_im_unread_counter', 't_im_user']))
      await second.close()
    })

    it('works with the shipped SQL files applied by hand, and `verify` tells what is missing', async () => {
      fresh()
      const verifying = () => mysqlStorage({ uri, namespace, migrations: 'verify' })
      await expect(verifying().start()).rejects.toThrow(/Migrations 1 have not been applied/)
      expect(await tableNames(namespace), 'verify makes nothing').toEqual([])
      const auto = mysqlStorage({ uri, namespace })
      await auto.start()
      await auto.close()
      const good = verifying()
      await good.start()
      await good.close()
      await operator.query(`DROP TABLE ${namespace}_t_im_lease`)
      await expect(verifying().start()).rejects.toThrow(new RegExp(`lacks ${namespace}_t_im_lease`))
    })

    it.each(['off', 'verify', 'auto'] as const)('loads its files as they are, once or again, and %s finds them applied', async (mode) => {
      fresh()
      for (const { text } of [...migrations, ...migrations].map(sqlFileOf)) {
        await operator.query(text.replace(/\bt_(cs|im)_/g, `${namespace}_t_$1_`))
      }
      const storage = mysqlStorage({ uri, namespace, migrations: mode })
      await storage.start()
      expect(await storage.epoch()).toBe(1)
      await storage.close()
    })

    it.each([
      [
        'a table',
        `CREATE TABLE %t_cs_session (session_id BIGINT, customer_id BIGINT, agent_id BIGINT, session_state INT, last_msg_time DATETIME)`,
      ],
      [
        'a table',
        `CREATE TABLE %t_im_offline_message (receiver_id BIGINT, conversation_id VARCHAR(64), msg_id VARCHAR(255), msg_brief VARCHAR(255), created_at BIGINT, session_id BIGINT, seq INT)`,
      ],
      ['a view', `CREATE VIEW %t_im_cursor AS SELECT 1 AS user_id`],
    ])('refuses %s of another origin under one of its names, and leaves it as it is', async (_, statement) => {
      fresh()
      await operator.query(statement.replace('%', `${namespace}_`))
      const [before] = await tableNames(namespace)
      await expect(mysqlStorage({ uri, namespace }).start()).rejects.toThrow(/of another origin.*`namespace`/)
      expect(await tableNames(namespace)).toEqual([before])
    })

    it('refuses a schema that a newer version has made, and one whose steps are others', async () => {
      fresh()
      const storage = mysqlStorage({ uri, namespace })
      await storage.start()
      await storage.close()
      await operator.query(`INSERT INTO ${namespace}_t_im_schema_version VALUES (99, 'future', '', 0)`)
      await expect(storage.start()).rejects.toThrow(/version 99.*upgrade/)
      await operator.query(`DELETE FROM ${namespace}_t_im_schema_version WHERE version = 99`)
      await operator.query(`UPDATE ${namespace}_t_im_schema_version SET checksum = 'x'`)
      await expect(storage.start()).rejects.toThrow(/another one than this package/)
    })

    it('keeps two namespaces on one database apart', async () => {
      const [left, right] = [fresh(), fresh()]
      const a = mysqlStorage({ uri, namespace: left })
      const b = mysqlStorage({ uri, namespace: right })
      await Promise.all([a.start(), b.start()])
      const open = { conversationId: 'g~1', chatType: 'group', userIds: ['ann'], nodeId: 'n', now: 1 } as const
      await a.openConversation(open)
      expect(await b.readHeads(['g~1'])).toEqual([])
      expect(await a.acquireLease({ name: 'x', holder: 'a', ttlMs: 60_000 })).toBeDefined()
      expect(await b.acquireLease({ name: 'x', holder: 'b', ttlMs: 60_000 })).toBeDefined()
      await Promise.all([a.close(), b.close()])
    })

    it('says what the account may not do', async () => {
      fresh()
      const storage = mysqlStorage({ uri, namespace })
      await storage.start()
      await storage.close()
      const user = `u_${namespace}`
      const database = new URL(uri).pathname.slice(1)
      await operator.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'pw-${namespace}'`)
      try {
        const limited = new URL(uri)
        limited.username = user
        limited.password = `pw-${namespace}`
        await operator.query(`GRANT SELECT, INSERT, UPDATE ON \`${database}\`.* TO '${user}'@'%'`)
        await expect(mysqlStorage({ uri: limited.href, namespace: fresh() }).start()).rejects.toThrow(
          /^The account may not make the tables: CREATE command denied .* grant CREATE, DROP and CREATE VIEW/,
        )
        namespace = namespaces[0] ?? ''
        await expect(mysqlStorage({ uri: limited.href, namespace, migrations: 'off' }).start()).rejects.toThrow(
          /may not DELETE on .*t_cs_session/,
        )
        limited.password = 'wrong'
        await expect(mysqlStorage({ uri: limited.href, namespace }).start()).rejects.toThrow(/refuses the account/)
      } finally {
        await operator.query(`DROP USER '${user}'@'%'`)
      }
    })

    it('says that a database cannot be reached, is not there, or is not named', async () => {
      const proxy = await cuttingProxy(uri)
      await proxy.close()
      await expect(mysqlStorage({ uri: proxy.uri }).start()).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        detail: expect.stringMatching(/cannot be reached/),
      })
      const missing = new URL(uri)
      missing.pathname = `/${fresh()}`
      await expect(mysqlStorage({ uri: missing.href }).start()).rejects.toThrow(/^The server has no such database: .*create it/)
      const none = new URL(uri)
      none.pathname = '/'
      await expect(
        mysqlStorage({ pool: { getConnection: () => undefined }, connection: none.href, namespace: fresh() }).start(),
      ).rejects.toThrow(/names no database/)
    })

    it('goes on after the database was away', async () => {
      fresh()
      const proxy = await cuttingProxy(uri)
      const storage = mysqlStorage({ uri: proxy.uri, namespace })
      await storage.start()
      await storage.ping()
      proxy.onSend = () => 'cut before'
      await expect(storage.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await expect(storage.epoch()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) })
      proxy.onSend = () => 'pass'
      await storage.ping()
      expect(await storage.epoch()).toBe(1)
      await storage.close()
      await proxy.close()
    })

    it('raises the epoch to a number that no other copy of the log has had, when it is raised after each of two restores', async () => {
      fresh()
      const storage = mysqlStorage({ uri, namespace })
      await storage.start()
      const restore = () => operator.query(`UPDATE ${namespace}_t_im_state SET epoch = 1`)
      const seconds = async () => Number((await rowsOf(operator, 'SELECT UNIX_TIMESTAMP() AS s'))[0]?.['s'])
      await restore()
      const first = await storage.raiseEpoch()
      const at = await seconds()
      await restore()
      // No restore is done within the second.
      await expect.poll(seconds, { timeout: 5_000 }).toBeGreaterThan(at)
      const second = await storage.raiseEpoch()
      expect(second).toBeGreaterThan(first)
      expect(await storage.raiseEpoch(), 'never the same twice').toBeGreaterThan(second)
      await storage.close()
    })

    it('says plainly when "acknowledged" is not crash-safe', async () => {
      fresh()
      const said: string[] = []
      const storage = mysqlStorage({ uri, namespace, logger: { warn: (_: object, message: string) => void said.push(message) } })
      await storage.start()
      const [flag] = await rowsOf(operator, 'SELECT @@innodb_flush_log_at_trx_commit AS flag')
      expect(said.some((message) => message.includes('innodb_flush_log_at_trx_commit'))).toBe(Number(flag?.['flag']) !== 1)
      await storage.close()
    })
  })
}
