import { randomBytes } from 'node:crypto'
import type { Storage } from '@innerline/server-core'
import { checkHistory, type Verdict } from '../../../../sim/checker/index.js'
import { mysqlStorage } from '../../src/index.js'
import { FeedWatch } from './feed-watch.js'
import { Control, Others, type Span, USER } from './freeze-bystanders.js'
import { FreezingRelay } from './freezing-relay.js'
import { readLog } from './kill-run.js'
import { monotonicNow, sleep } from './messages.js'
import type { Occupation } from './victim.js'
import { WorkerProcess } from './worker-process.js'

const FROZEN_MS = 6_000
const TRAP_MS = 15_000
const FINISH_MS = 60_000
/** What meets a held lock goes its way behind another batch, then in vain, then again. */
const WAYS = 3

/** Where each occupation is frozen: behind its head lock and before its COMMIT, or as its statement's answer comes. */
const TRAPS: Readonly<Record<Occupation, { readonly pattern: RegExp; readonly at: 'request' | 'response' }>> = {
  append: { pattern: /INSERT INTO \S*t_cs_message\W/, at: 'request' },
  // The one flush that holds locks over round trips: behind its lock, before its COMMIT.
  cursor: { pattern: /UPDATE [^;]*t_im_cursor\W[^;]*;\s*COMMIT/, at: 'request' },
  tx: { pattern: /INSERT INTO \S*t_cs_message\W/, at: 'request' },
  'tx-idle': { pattern: /INSERT INTO \S*t_cs_message\W/, at: 'request' },
  'tx-reading': { pattern: /REPEAT\('large'/, at: 'response' },
}

export interface FreezeRun {
  readonly occupation: Occupation
  readonly verdict: Verdict
  /** From the freeze to the first acknowledgement of a countable append to the frozen process's conversation that began after it. */
  readonly resumedAfterMs: number
  /**
   * While the process was frozen: the slowest append and the slowest cursor move in any other conversation, less what appends took
   * meanwhile that have nothing to do with it: that much the machine was busy with other things.
   */
  readonly slowestElsewhereMs: number
  readonly slowestCursorMs: number
  /** As above, of the cursor row that the frozen process's own append raises. */
  readonly slowestOwnCursorMs: number
  readonly appendsElsewhere: number
  /** The slowest of those appends that have nothing to do with it. */
  readonly slowestControlMs: number
}

/** A process ready to be frozen. `go` may be called once; several runs that go together do not wait for each other's processes to start. */
export interface PreparedFreeze {
  go(): Promise<FreezeRun>
}

/** Freezes a process in its work and watches how the others fare; then wakes it, lets it finish and holds everything against the log. */
export const freezeRun = async (uri: string, occupation: Occupation): Promise<FreezeRun> => (await prepareFreeze(uri, occupation)).go()

export async function prepareFreeze(uri: string, occupation: Occupation): Promise<PreparedFreeze> {
  const namespace = `f${randomBytes(5).toString('hex')}`
  const conversations = Array.from({ length: 13 }, (_, i) => `g~${namespace}-${i}`) as [string, ...string[]]
  const relay = await FreezingRelay.start(uri)
  const storage = mysqlStorage({ uri, namespace, logger: { warn: () => undefined } })
  const control = new Control(uri)
  let victim: WorkerProcess | undefined
  const end = async (): Promise<void> => {
    victim?.kill()
    await storage.close()
    await control.close()
    await relay.stop()
  }
  try {
    await storage.start()
    await control.start()
    for (const conversationId of conversations)
      await storage.openConversation({ conversationId, chatType: 'group', userIds: [USER, 'user-1'], nodeId: 'others', now: Date.now() })
    const rounds = occupation === 'tx-reading' ? 3 : 8
    const task = { occupation, uri: relay.through(uri), namespace, conversationId: conversations[0], userId: USER, rounds }
    const started = new WorkerProcess(task)
    victim = started
    await started.ready
    return { go: () => observe({ occupation, conversations, relay, storage, control, victim: started }).finally(end) }
  } catch (error) {
    await end()
    throw error
  }
}

interface Scene {
  readonly occupation: Occupation
  readonly conversations: readonly [string, ...string[]]
  readonly relay: FreezingRelay
  readonly storage: Storage
  readonly control: Control
  readonly victim: WorkerProcess
}

async function observe(scene: Scene): Promise<FreezeRun> {
  const others = new Others(scene.storage, scene.conversations, scene.occupation === 'cursor' ? USER : 'user-1')
  scene.control.run()
  try {
    return await freezeAmong(others, scene)
  } finally {
    await others.stop()
  }
}

async function freezeAmong(others: Others, { occupation, conversations, relay, storage, control, victim }: Scene): Promise<FreezeRun> {
  const feed = new FeedWatch(`reader beside ${occupation}`, storage, conversations, true)
  await feed.started()
  const { pattern, at } = TRAPS[occupation]
  const sprung = relay.trap(pattern, at, () => victim.freeze())
  victim.begin()
  const frozenAt = await Promise.race([sprung, late(`${occupation} was not met`, TRAP_MS)])
  await sleep(FROZEN_MS)
  const wokenAt = monotonicNow()
  victim.thaw()
  relay.release()
  await Promise.race([victim.done, late(`${occupation} did not go on when it woke`, FINISH_MS)])
  await others.stop()
  await control.stop()
  const attempts = [...others.attempts, ...victim.attempts]
  const log = (await Promise.all(conversations.map((conversationId) => readLog(storage, conversationId)))).flat()
  const heads = await storage.readHeads(conversations)
  const readers = [await feed.finish(TRAP_MS, false)]
  const during = (each: Span): boolean => (each.endedAt ?? wokenAt) > frozenAt && each.startedAt < wokenAt
  const longest = (each: readonly Span[]): number =>
    each.filter(during).reduce((most, { startedAt, endedAt = wokenAt }) => Math.max(most, control.beyond(startedAt, endedAt, WAYS)), 0)
  const [held] = conversations
  const there = others.attempts.filter((each) => each.conversationId !== held)
  // What does not count raises no cursor, and need not wait for one.
  const after = others.attempts.filter(
    (each) => each.conversationId === held && each.countable && each.startedAt > frozenAt && each.outcome?.ok,
  )
  return {
    occupation,
    verdict: checkHistory({ attempts, log, heads, readers, cursors: others.cursors }),
    resumedAfterMs: Math.min(...after.map((each) => each.endedAt as number)) - frozenAt,
    slowestElsewhereMs: longest(there),
    slowestCursorMs: longest(others.moves.filter((move) => move.conversationId !== held)),
    slowestOwnCursorMs: longest(others.moves.filter((move) => move.conversationId === held)),
    appendsElsewhere: there.filter(during).length,
    slowestControlMs: control.slowest(frozenAt, wokenAt),
  }
}

const late = (what: string, ms: number): Promise<never> =>
  sleep(ms).then(() => Promise.reject(new Error(`${what} within ${ms / 1_000} s.`)))

export const freezeLine = (run: FreezeRun): string =>
  [
    `frozen in ${run.occupation}: its conversation goes on after ${Math.round(run.resumedAfterMs)} ms`,
    `slowest of ${run.appendsElsewhere} appends elsewhere ${Math.round(run.slowestElsewhereMs)} ms, slowest cursor move ${Math.round(run.slowestCursorMs)} ms, of its own cursor ${Math.round(run.slowestOwnCursorMs)} ms`,
    `slowest append that has nothing to do with it ${Math.round(run.slowestControlMs)} ms`,
    `${run.verdict.figures.entries} stored, violations ${run.verdict.violations.length}`,
  ].join('; ')
