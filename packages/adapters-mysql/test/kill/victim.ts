import { isImError, systemClock, type Storage } from '@innerline/server-core'
import { type Connection, createConnection } from 'mysql2/promise'
import { AppendLanes } from '../../../../sim/kill/append-lanes.js'
import type { Attempt } from '../../../../sim/checker/index.js'
import { mysqlStorage } from '../../src/index.js'
import { messageOf, monotonicNow, sleep } from './messages.js'
import type { WorkerReport } from './worker.js'

/** What the process is doing when it is frozen. `tx-idle` leaves the session's timeouts as the server has them. */
export type Occupation = 'append' | 'cursor' | 'tx' | 'tx-idle' | 'tx-reading'

export interface VictimTask {
  readonly occupation: Occupation
  /** By way of the relay. */
  readonly uri: string
  readonly namespace: string
  readonly conversationId: string
  readonly userId: string
  /** Rounds of its work; it is frozen in one of them and goes on when it wakes. */
  readonly rounds: number
}

const REPORT: { attempts: Attempt[] } = { attempts: [] }
const say = (report: WorkerReport): void => void process.send?.(report)

async function run({ occupation, uri, namespace, conversationId, userId, rounds }: VictimTask): Promise<void> {
  const storage = mysqlStorage({ uri, namespace, logger: { warn: () => undefined } })
  await storage.start()
  const nodeId = `victim-${process.pid}`
  const lanes = new AppendLanes({ storage, clock: systemClock, nodeId, lanes: 4, queueItems: 100, onCommitted: () => undefined })
  say({ kind: 'ready' })
  await new Promise((resolve) => process.once('message', resolve))
  if (occupation === 'cursor') await meetHeldCursor(storage, { uri, namespace, conversationId, userId })
  for (let round = 0; round < rounds; round++) {
    const item = messageOf(`${nodeId}/${round}`, conversationId, userId)
    const { bodyJson: content, msgId, fromUserId, countable } = item
    const startedAt = monotonicNow()
    const outcome = await answerOf(async () => {
      if (occupation === 'cursor') {
        await storage.advanceCursors([{ conversationId, userId, deliveredSeq: round + 1, readSeq: round + 1 }])
        return undefined
      }
      if (occupation === 'append') return lanes.append(item)
      return inHostTransaction(uri, occupation, async (tx) => {
        const [result] = (await storage.appendInTransaction?.(tx, { nodeId, now: Date.now(), items: [item] })) ?? []
        return result
      })
    })
    if (outcome !== undefined)
      REPORT.attempts.push({
        writer: nodeId,
        conversationId,
        msgId,
        fromUserId,
        content,
        countable,
        startedAt,
        endedAt: monotonicNow(),
        outcome,
      })
    await sleep(20)
  }
  await storage.close()
  say({ kind: 'seen', attempts: REPORT.attempts, cursors: [] })
  say({ kind: 'done' })
}

/** A flush that has met a held row takes what is free apart, under locks of its own, the next time. */
async function meetHeldCursor(
  storage: Storage,
  { uri, namespace, conversationId, userId }: Pick<VictimTask, 'uri' | 'namespace' | 'conversationId' | 'userId'>,
): Promise<void> {
  const holder = await createConnection(uri)
  await holder.query('START TRANSACTION')
  await holder.query(
    `SELECT 1 FROM ${namespace}_t_im_cursor c JOIN ${namespace}_t_cs_session s ON s.conversation_key = c.conversation_key
     WHERE s.session_id = ? AND c.user_id = ? FOR UPDATE`,
    [conversationId, userId],
  )
  const [state] = await storage.advanceCursors([{ conversationId, userId, deliveredSeq: 1, readSeq: 1 }])
  await holder.query('ROLLBACK')
  await holder.end()
  if (state?.held !== true) throw new Error('The cursor was not held.')
}

async function answerOf(work: () => Promise<Awaited<ReturnType<AppendLanes['append']>> | undefined>): Promise<Attempt['outcome']> {
  try {
    const result = await work()
    if (result === undefined) return undefined
    if (!result.ok) return { ok: false, code: result.code, final: false }
    const { seq, ord, timestamp, duplicate } = result
    return { ok: true, seq, ord, timestamp, duplicate }
  } catch (error) {
    // Whatever broke, nobody was told anything of the message.
    return { ok: false, code: isImError(error) ? error.code : String(error), final: false }
  }
}

/** A transaction of the host's, on the host's connection: what `result` says counts only after the host's own COMMIT. */
async function inHostTransaction<T>(uri: string, occupation: Occupation, work: (tx: Connection) => Promise<T>): Promise<T> {
  const connection = await createConnection(uri)
  connection.on('error', () => undefined)
  try {
    // A host that cares does as the adapter does: a frozen process then loses its locks within these 3 s.
    if (occupation !== 'tx-idle')
      await connection.query('SET SESSION wait_timeout = 3, SESSION net_read_timeout = 3, SESSION net_write_timeout = 3')
    await connection.query('START TRANSACTION')
    const result = await work(connection)
    if (occupation === 'tx-reading')
      await connection.query(`SELECT REPEAT('large', 200000) FROM ${'(SELECT 1 UNION ALL SELECT 2) a'}, ${rows('b')}, ${rows('c')}`)
    await connection.query('COMMIT')
    return result
  } finally {
    connection.destroy()
  }
}

const rows = (name: string): string =>
  `(SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6) ${name}`

process.once('message', (task: VictimTask) => {
  run(task).then(
    () => process.disconnect(),
    (error: unknown) => {
      say({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      process.exitCode = 1
      process.disconnect()
    },
  )
})
process.once('disconnect', () => setTimeout(() => process.exit(), 10_000).unref())
