import { randomBytes } from 'node:crypto'
import type { Storage } from '@innerline/server-core'
import mysql from 'mysql2/promise'
import { afterEach, describe, expect, it } from 'vitest'
import { isAlive } from '../../../../scripts/services/folders.js'
import { type MysqlStorageOptions, mysqlStorage } from '../../src/index.js'
import { crashSafe } from './harms.js'
import { messageOf } from './messages.js'
import { ownServer, privateServers } from './private-server.js'

/** Each life of a server that may take back what readers have seen has an epoch of its own (ADR 5). */
describe.each(privateServers)('%s, restarted', (name) => {
  const started: Storage[] = []
  const said: string[] = []
  const start = async (options: MysqlStorageOptions): Promise<Storage> => {
    const storage = mysqlStorage({ ...options, logger: { warn: (_: object, message: string) => void said.push(message) } })
    started.push(storage)
    await storage.start()
    return storage
  }
  /** Made for nothing but to bring to disk what others can see already. */
  const commits = async (uri: string, namespace: string): Promise<number> => {
    const connection = await mysql.createConnection(uri)
    const [rows] = await connection.query(`SELECT COALESCE(SUM(fence), 0) AS n FROM ${namespace}_t_im_lease WHERE name LIKE 'im-flush:%'`)
    await connection.end()
    return Number((rows as { n: unknown }[])[0]?.n)
  }
  const fresh = (): string => `r${randomBytes(5).toString('hex')}`
  afterEach(async () => {
    for (const storage of started.splice(0)) await storage.close()
    said.length = 0
  })

  const open = (storage: Storage, conversationId: string) =>
    storage.openConversation({ conversationId, chatType: 'group', userIds: ['user-0'], nodeId: 'n', now: Date.now() })
  const append = async (storage: Storage, conversationId: string, text: string) =>
    (await storage.appendMessages({ nodeId: 'n', now: Date.now(), items: [messageOf(text, conversationId, 'user-0')] }))[0]

  describe('where readers see a commit before it is on disk', () => {
    const server = ownServer(name)
    // MySQL tells its start by another table and is slow to come back: that it is noticed there is shown once.
    const inFull = it.runIf(name === 'mariadb')

    it('says so at start, and after a crash gives all nodes one new epoch, before any of them reads', async () => {
      const { url: uri, instances } = server()
      const namespace = fresh()
      const nodes = [await start({ uri, namespace }), await start({ uri, namespace }), await start({ uri, namespace })] as const
      expect(said).toHaveLength(3)
      expect(said[0]).toMatch(/log_bin.*every restart of the server raises the epoch/)
      expect(await nodes[0].epoch()).toBe(1)
      const conversationId = `g~${namespace}`
      await open(nodes[0], conversationId)
      await append(nodes[0], conversationId, 'one')
      const position = await nodes[0].startPosition()
      const { position: stored } = await nodes[1].openReader('durable')
      const lease = await nodes[1].acquireLease({ name: 'durable', holder: 'n', ttlMs: 60_000 })
      if (lease === undefined) throw new Error('A free lease was not given.')
      await append(nodes[1], conversationId, 'two')
      await instances[0].kill9()
      await instances[0].restart()
      // Several connections of each at once, all of them new.
      const batches = await Promise.all(nodes.flatMap((node) => [node.changes(position, 10), node.changes(position, 10)]))
      const epochs = new Set(batches.map((batch) => batch.position.epoch))
      expect(batches.every((batch) => batch.tooOld && batch.changes.length === 0)).toBe(true)
      expect(epochs.size).toBe(1)
      const [epoch = 0] = epochs
      expect(epoch).toBeGreaterThan(1)
      expect(await Promise.all(nodes.map((node) => node.epoch()))).toEqual([epoch, epoch, epoch])
      // What a durable reader has stored was on disk with all that it had read: it goes on, and nothing is lost to it.
      const reader = await nodes[2].openReader('durable')
      expect(reader).toEqual({ position: { ...stored, epoch }, gap: false })
      expect((await nodes[2].changes(reader.position, 10)).changes).toMatchObject([{ conversationId, firstSeq: 2, lastSeq: 2 }])
      expect(await append(nodes[0], conversationId, 'three')).toMatchObject({ ok: true, seq: 3 })
      expect(await nodes[0].raiseEpoch()).toBeGreaterThan(epoch)
    })

    inFull('is noticed on a connection of the host’s as well, at an orderly restart too, and by a node that starts after it', async () => {
      const { url: uri, instances } = server()
      const namespace = fresh()
      const pool = mysql.createPool({ uri, connectionLimit: 2 })
      const node = await start({ pool, namespace })
      await open(node, `g~${namespace}`)
      expect(await node.readHeads([`g~${namespace}`])).toHaveLength(1)
      const { pid } = instances[0]
      process.kill(pid, 'SIGTERM')
      await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false)
      await instances[0].restart()
      // The host's pool is the first to find the way back.
      await expect
        .poll(
          () =>
            pool.query('SELECT 1').then(
              () => true,
              () => false,
            ),
          { timeout: 20_000 },
        )
        .toBe(true)
      expect(await node.readHeads([`g~${namespace}`])).toHaveLength(1)
      const epoch = await node.epoch()
      expect(epoch).toBeGreaterThan(1)
      await instances[0].kill9()
      await instances[0].restart()
      const late = await start({ uri, namespace })
      expect(await late.epoch()).toBeGreaterThan(epoch)
      await node.close()
      await pool.end()
    })

    inFull('makes durable what it answers to a repeat', async () => {
      const { url: uri, instances } = server()
      const namespace = fresh()
      const node = await start({ uri, namespace })
      const conversationId = `g~${namespace}`
      await open(node, conversationId)
      await append(node, conversationId, 'one')
      const before = await node.startPosition()
      expect(await append(node, conversationId, 'one')).toMatchObject({ ok: true, seq: 1, duplicate: true })
      const { msgId } = messageOf('one', conversationId, 'user-0')
      expect([...(await node.findByMsgIds([msgId])).keys()]).toEqual([msgId])
      expect(await commits(uri, namespace), 'each made a commit, which brings every earlier one to disk').toBe(2)
      expect((await node.changes(before, 10)).changes).toEqual([])
      await instances[0].kill9()
      await instances[0].restart()
      expect(await append(node, conversationId, 'one')).toMatchObject({ ok: true, seq: 1, duplicate: true })
    })
  })

  describe('where a commit is on disk before anybody sees it', () => {
    const server = ownServer(name, crashSafe(name))

    it('is refused while it is read-only, with and without a schema', async () => {
      const { url: uri } = server()
      const namespace = fresh()
      await (await start({ uri, namespace })).close()
      const operator = await mysql.createConnection(uri)
      await operator.query(`CREATE USER 'limited'@'%' IDENTIFIED BY 'secret'`)
      await operator.query(`GRANT ALL ON \`${new URL(uri).pathname.slice(1)}\`.* TO 'limited'@'%'`)
      await operator.query('SET GLOBAL read_only = ON')
      const limited = new URL(uri)
      limited.username = 'limited'
      limited.password = 'secret'
      for (const one of [namespace, fresh()])
        await expect(start({ uri: limited.href, namespace: one })).rejects.toThrow('The server is read-only: connect to the primary.')
      await operator.query('SET GLOBAL read_only = OFF')
      await start({ uri: limited.href, namespace })
      await operator.end()
    })

    it('keeps its epoch and its readers, says nothing, and writes nothing for a repeat', async () => {
      const { url: uri, instances } = server()
      const namespace = fresh()
      const node = await start({ uri, namespace })
      expect(said).toEqual([])
      const conversationId = `g~${namespace}`
      await open(node, conversationId)
      await append(node, conversationId, 'one')
      const position = await node.startPosition()
      await append(node, conversationId, 'one')
      expect(await commits(uri, namespace)).toBe(0)
      await append(node, conversationId, 'two')
      await instances[0].kill9()
      await instances[0].restart()
      const { changes, tooOld } = await node.changes(position, 10)
      expect([tooOld, changes.map((change) => [change.kind, change.firstSeq])]).toEqual([false, [['entries', 2]]])
      expect(await node.epoch()).toBe(1)
    })
  })
})
