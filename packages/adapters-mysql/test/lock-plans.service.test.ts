import { type AppendItem, systemClock } from '@innerline/server-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mysqlStorage } from '../src/index.js'
import { arrange } from './support/arrange.js'
import { cuttingProxy } from './support/cutting-proxy.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { testServers } from './support/servers.js'
import { explain } from './support/spy.js'

// Of a table of a few rows a server likes to read all, and a locking read of all waits for whatever row of it anybody holds.
for (const { name, uri } of testServers) {
  describe(`locks in tables of a few rows on ${name}`, () => {
    let harness: MysqlHarness
    beforeEach(async () => {
      harness = await mysqlHarness(uri)
    })
    afterEach(() => harness.dispose())

    /** One batch with everything an append can do, in several conversations. */
    const everything = (a: ReturnType<typeof arrange>, ids: readonly string[], targets: readonly AppendItem[]): readonly AppendItem[] =>
      ids.flatMap((id, i) => [
        a.text(id, 'ann', 'all of you', { mentions: ['bob', 'zoe'], checkedAt: 0 }),
        a.text(id, 'bob', 'edited', { kind: 'edit', countable: false, target: (targets[2 * i] as AppendItem).msgId }),
        a.text(id, 'ann', 'recalled', { kind: 'recall', countable: false, target: (targets[2 * i + 1] as AppendItem).msgId }),
      ])

    const conversations = async (a: ReturnType<typeof arrange>, count: number): Promise<readonly string[]> =>
      Promise.all(Array.from({ length: count }, () => a.conversation(['ann', 'bob'])))

    it('asks by key for every row it locks', async () => {
      const a = arrange(harness)
      const proxy = await cuttingProxy(uri)
      const seen = new Set<string>()
      proxy.onSend = (chunk) => {
        for (const statement of chunk.toString('latin1').slice(5).split(';\n')) seen.add(statement)
        return 'pass'
      }
      const storage = mysqlStorage({ uri: proxy.uri, namespace: harness.namespace, migrations: 'off' })
      await storage.start()
      seen.clear()
      const ids = await conversations(a, 3)
      const targets = ids.flatMap((id) => [a.text(id, 'bob'), a.text(id, 'ann')])
      await a.accepted(targets, storage)
      await a.accepted(everything(a, ids, targets), storage)
      await storage.advanceCursors(
        ids.flatMap((conversationId) => ['ann', 'bob'].map((userId) => ({ conversationId, userId, readSeq: 2 }))),
      )
      await (await harness.lateAppend(a.text(ids[0] as string, 'ann'))).rollback()
      await a.texts(ids[0] as string, 'ann', 1)
      const lease = await storage.acquireLease({ name: 'l', holder: 'h', ttlMs: 20_000 })
      if (lease === undefined) throw new Error('A free lease was not given.')
      const { position } = await storage.openReader('r')
      await storage.saveReader({ name: 'r', position, lease })
      await storage.resolveGaps({ lease, readUpTo: position.id, probe: position.missing, young: [] })
      await storage.trimChanges({ keepMs: 0, readerLostAfterMs: 60_000, limit: 3 })
      await storage.expireMessages({ before: systemClock.now() + 1_000, limit: 2 })
      await storage.close()
      await proxy.close()
      const locking = [...seen].filter((statement) => /^(UPDATE|DELETE|SELECT.*FOR UPDATE)/s.test(statement))
      const touched = new Set<string>()
      for (const statement of locking) {
        // A handful of rows, all of which a trim must look at.
        if (statement.includes('_t_im_reader`')) continue
        for (const line of await explain(harness.connection, statement)) {
          if (line.table.startsWith('<derived') || line.table === 'null') continue
          touched.add(line.table)
          expect(['system', 'const', 'eq_ref', 'ref', 'range'], `${statement.slice(0, 400)}\n${JSON.stringify(line)}`).toContain(line.type)
        }
      }
      expect(touched.size, 'statements of every kind were seen').toBeGreaterThan(5)
    })

    it('waits for nothing of a conversation that it was not asked about', async () => {
      const a = arrange(harness)
      const [held, ...others] = (await conversations(a, 3)) as [string, ...string[]]
      const targets = others.flatMap((id) => [a.text(id, 'bob'), a.text(id, 'ann')])
      await a.accepted(targets)
      for (const table of ['t_cs_session', 't_cs_message', 't_im_cursor', 't_im_change'])
        await harness.connection.query(`ANALYZE TABLE ${harness.namespace}_${table}`)
      const late = await harness.lateAppend(a.text(held, 'ann', 'held', { mentions: ['bob'] }))
      const started = systemClock.monotonic()
      await a.accepted(everything(a, others, targets))
      await harness.storage.advanceCursors(others.map((conversationId) => ({ conversationId, userId: 'bob', readSeq: 3 })))
      await harness.storage.expireMessages({ before: systemClock.now() + 1_000, limit: 2 })
      expect(systemClock.monotonic() - started, 'a lock is waited for by the second').toBeLessThan(900)
      await late.rollback()
    })
  })
}
