import { type AppendResult, type Storage, systemClock } from '@innerline/server-core'
import { readLog } from '@innerline/server-core/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mysqlStorage } from '../src/index.js'
import { FeedWatch } from './kill/feed-watch.js'
import { FreezingRelay } from './kill/freezing-relay.js'
import { arrange } from './support/arrange.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { testServers } from './support/servers.js'

const WRITERS = 8
const LOAD_MS = 5_000
/** Far shorter than the host's transaction lasts. */
const RETENTION_MS = 500

for (const { name, uri } of testServers) {
  describe(`the resolver beside ${WRITERS} writers on ${name}`, () => {
    let harness: MysqlHarness
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
    })
    afterAll(() => harness.dispose())

    it('is watched halfway by a node that starts between its look at a gap and its filling of it', async () => {
      const a = arrange(harness)
      const [burnt, other] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const before = await harness.storage.startPosition()
      const late = await harness.lateAppend(a.text(burnt, 'ann'))
      await a.texts(other, 'ann', 1)
      await late.rollback()
      const { position } = await harness.storage.changes(before, 100)
      expect(position.missing.length).toBeGreaterThan(0)
      const relay = await FreezingRelay.start(uri)
      const resolver = mysqlStorage({
        uri: relay.through(uri),
        namespace: harness.namespace,
        migrations: 'off',
        logger: { warn: () => undefined },
      })
      await resolver.start()
      const lease = await resolver.acquireLease({ name: 'half', holder: 'h', ttlMs: 60_000 })
      if (lease === undefined) throw new Error('A free lease was not given.')
      const sprung = relay.trap(/INSERT IGNORE INTO \S*t_im_change/, 'request', () => undefined)
      const resolved = resolver.resolveGaps({ lease, readUpTo: position.id, probe: position.missing, young: [] })
      await sprung
      const starting = await harness.second()
      const started = await starting.startPosition()
      expect(started.missing).toEqual(expect.arrayContaining([...position.missing]))
      const [first] = await a.texts(burnt, 'ann', 1)
      relay.release()
      expect(await resolved).toEqual({ open: [], resolvedFloor: position.id })
      const { changes, position: end } = await starting.changes(started, 100)
      expect(changes.filter((change) => change.kind === 'void').map((change) => change.id)).toEqual(position.missing)
      expect(changes.filter((change) => change.kind === 'entries')).toMatchObject([{ conversationId: burnt, firstSeq: first?.seq }])
      expect(end.missing).toEqual([])
      await resolver.close()
      await relay.stop()
    })

    it('fails no append, goes on, and hides nothing, while host transactions roll back, dawdle and outlast the retention', async () => {
      const a = arrange(harness)
      const nodes = [harness.storage, await harness.second()] as const
      const [endless, slow, rolledBack, ...shared] = await Promise.all(Array.from({ length: 3 + WRITERS }, () => a.conversation(['ann'])))
      const all = [endless, slow, rolledBack, ...shared] as string[]
      let ended = false
      const refused: AppendResult[] = []
      let appended = 0
      const write = async (writer: number): Promise<void> => {
        const storage = nodes[writer % 2] as Storage
        for (let round = 0; !ended; round++) {
          const ids = [shared[(writer + round) % WRITERS], shared[writer]] as string[]
          const results = await a.append(
            ids.map((id) => a.text(id, 'ann')),
            storage,
          )
          refused.push(...results.filter((result) => !result.ok))
          appended += results.length
        }
      }
      const dawdle = async (conversationId: string, forMs: number, end: 'commit' | 'rollback'): Promise<number> => {
        let times = 0
        for (; !ended; times++) {
          const late = await harness.lateAppend(a.text(conversationId, 'ann'))
          await harness.advance(forMs)
          await late[end]()
        }
        return times
      }
      let trimmed = 0
      const trim = async (): Promise<void> => {
        for (; !ended; await harness.advance(100)) {
          const { deleted } = await harness.storage.trimChanges({ keepMs: RETENTION_MS, readerLostAfterMs: 60_000, limit: 500 })
          trimmed += deleted
        }
      }
      const early = new FeedWatch('from the start', nodes[0], all, true)
      await early.started()
      const before = await nodes[0].startPosition()
      const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer))
      const hosts = [dawdle(slow as string, 700, 'commit'), dawdle(rolledBack as string, 30, 'rollback')]
      const trims = trim()
      await harness.advance(LOAD_MS / 5)
      const floorBefore = early.resolvedFloor
      const host = await harness.lateAppend(a.text(endless as string, 'ann', 'outlasts the retention'))
      const heldFrom = systemClock.monotonic()
      await harness.advance(LOAD_MS / 5)
      const middle = new FeedWatch('from the middle', nodes[1], all, false)
      await middle.started()
      await harness.advance((3 * LOAD_MS) / 5)
      ended = true
      await Promise.all([...writers, trims])
      const [commits = 0, rollbacks = 0] = await Promise.all(hosts)
      expect(refused).toEqual([])
      expect([early.failures, middle.failures], 'nothing is wrong with the server').toEqual([0, 0])
      expect(appended).toBeGreaterThan(200)
      expect([commits > 2, rollbacks > 5]).toEqual([true, true])
      expect(early.resolvedFloor, 'past what others burnt').toBeGreaterThan(floorBefore)
      const heldFloor = early.resolvedFloor
      expect(early.openGaps, 'the endless one is waited for').toBeGreaterThan(0)
      expect(systemClock.monotonic() - heldFrom).toBeGreaterThan(4 * RETENTION_MS)
      await host.commit()
      const readers = await Promise.all([early, middle].map((reader) => reader.finish(15_000, false)))
      for (const { reader, startHeads, changes } of readers) {
        for (const conversationId of all) {
          const stored = (await readLog(harness.storage, conversationId)).map((entry) => entry.seq)
          const told = changes
            .filter((change) => change.kind === 'entries' && change.conversationId === conversationId)
            .flatMap(({ firstSeq, lastSeq }) => Array.from({ length: lastSeq - firstSeq + 1 }, (_, i) => firstSeq + i))
          const start = startHeads[conversationId] ?? 0
          // What was committed between a start position and the heads read after it is in both.
          const missed = stored.filter((seq) => seq > start && !told.includes(seq))
          expect({ reader, conversationId, missed, repeated: told.length - new Set(told).size }).toEqual({
            ...{ reader, conversationId, missed: [], repeated: 0 },
          })
        }
        expect(changes.filter((change) => change.conversationId === endless && change.kind === 'entries')).toHaveLength(1)
      }
      // The floor passes the endless one now that it has ended, and the rows below it may go.
      expect(early.resolvedFloor).toBeGreaterThan(heldFloor)
      expect(trimmed).toBeGreaterThan(0)
      expect((await nodes[0].changes(before, 10)).tooOld, 'a position from before is too old by now').toBe(true)
    })
  })
}
