import { randomBytes } from 'node:crypto'
import { checkHistory, type FeedHistory, type History, type LoggedEntry, type Verdict } from '../../../../sim/checker/index.js'
import { FeedWatch } from './feed-watch.js'
import type { Load } from './load.js'
import { monotonicNow, sleep } from './messages.js'
import { type KillTarget, openTarget, type TargetSpec } from './target.js'
import { WorkerProcess } from './worker-process.js'

const SETTLE_MS = 60_000
const FEED_REST_MS = 30_000

export interface KillRunOptions {
  readonly uri: string
  readonly kind: TargetSpec['kind']
  readonly fault?: TargetSpec['fault']
  readonly appends: number
  readonly processes?: number
  readonly writers?: number
  readonly conversations?: number
  /** With 5, a fifth of all appends are repeats. */
  readonly sharedEvery?: number
  /** Appends of one writer under way at once: the fewer, the more and the smaller the batches. */
  readonly window?: number
  readonly seed?: number
  /** Does the damage while the load runs; ends soon after `ended` is aborted. */
  readonly harm: (run: RunUnderHarm) => Promise<void>
}

export interface RunUnderHarm {
  readonly workers: readonly WorkerProcess[]
  readonly conversations: readonly string[]
  /** Aborted when the writers are done. */
  readonly ended: AbortSignal
  /** Appends acknowledged so far. */
  acknowledged(): number
}

export interface KillRun {
  readonly verdict: Verdict
  readonly history: History
  readonly seed: number
  /** From the first append to the last acknowledgement. */
  readonly loadMs: number
  readonly resolvedFloor: number
  /** Epochs that the readers have been through; what was seen before the last one is not judged, as whoever saw it reads again. */
  readonly epochs: number
}

/** One run: workers append under harm, readers and cursors are watched, and then everything is held against the final log. */
export async function killRun(options: KillRunOptions): Promise<KillRun> {
  const { uri, kind, fault, processes = 2, writers = 8, seed = randomBytes(4).readUInt32LE() } = options
  const namespace = `k${randomBytes(5).toString('hex')}`
  const spec: TargetSpec = { uri, namespace, kind, fault }
  const users = Array.from({ length: 6 }, (_, i) => `user-${i}`)
  const conversations = Array.from({ length: options.conversations ?? 20 }, (_, i) => `g~${namespace}-${i}`)
  const { appends, window = 25, sharedEvery = 5 } = options
  const load: Load = { seed, writers, appends, conversations, users, window, sharedEvery, movesPerSecond: 200 }
  const target = openTarget(spec)
  await target.start()
  const started: WorkerProcess[] = []
  try {
    for (const conversationId of conversations)
      await target.openConversation({ conversationId, chatType: 'group', userIds: users, nodeId: 'parent', now: Date.now() })
    const readers = [new FeedWatch('reader from the start', target, conversations, kind === 'adapter')]
    await readers[0]?.started()
    for (let i = 0; i < processes; i++) {
      const own = Array.from({ length: writers }, (_, writer) => writer).filter((writer) => writer % processes === i)
      started.push(new WorkerProcess({ target: spec, load, writers: own, settleWithinMs: SETTLE_MS }))
    }
    const done = Promise.all(started.map((worker) => worker.done))
    done.catch(() => undefined)
    await Promise.all(started.map((worker) => worker.ready))
    const loadStart = monotonicNow()
    for (const worker of started) worker.begin()
    const ended = new AbortController()
    const acknowledged = (): number => started.reduce((sum, worker) => sum + worker.acknowledged, 0)
    const harm = options.harm({ workers: started, conversations, ended: ended.signal, acknowledged })
    harm.catch(() => undefined)
    const late = startLate(() => new FeedWatch('reader from the middle', target, conversations, false), acknowledged, appends, ended.signal)
    // A server that does not come back is what is wrong then, not the writers that wait for it.
    await Promise.race([done, harm.then(() => done)]).finally(() => ended.abort())
    await harm
    const loadMs = lastEnd(started) - loadStart
    readers.push(...(await late))
    const feeds = await Promise.all(readers.map((reader) => reader.finish(FEED_REST_MS, kind === 'reference')))
    const history = await gather(target, started, feeds, conversations)
    const resolvedFloor = Math.max(...readers.map((reader) => reader.resolvedFloor))
    const epochs = Math.max(...readers.map((reader) => reader.epochsSeen))
    return { verdict: checkHistory(history), history, seed, loadMs, resolvedFloor, epochs }
  } finally {
    for (const worker of started) worker.kill()
    await target.close()
  }
}

/** A node that joins when a third is done; it finds ids in flight. */
async function startLate(start: () => FeedWatch, acknowledged: () => number, appends: number, ended: AbortSignal): Promise<FeedWatch[]> {
  while (acknowledged() < appends / 3) {
    if (ended.aborted) return []
    await sleep(10)
  }
  const reader = start()
  await reader.started()
  return [reader]
}

async function gather(
  target: KillTarget,
  workers: readonly WorkerProcess[],
  readers: readonly FeedHistory[],
  conversations: readonly string[],
): Promise<History> {
  const log: LoggedEntry[] = []
  for (const conversationId of conversations) log.push(...(await readLog(target, conversationId)))
  const heads = await target.readHeads(conversations)
  const epoch = await target.epoch()
  return {
    attempts: workers.flatMap((worker) => worker.attempts),
    log,
    heads: heads.map(({ conversationId, headSeq, headOrd }) => ({ conversationId, headSeq, headOrd })),
    readers,
    cursors: workers.flatMap((worker) => worker.cursors.filter((seen) => seen.epoch === epoch)),
  }
}

/** A conversation's whole log, as the checker takes it. */
export async function readLog(target: Pick<KillTarget, 'readMessages'>, conversationId: string): Promise<LoggedEntry[]> {
  const log: LoggedEntry[] = []
  for (let from = 1; ; ) {
    const range = { conversationId, from, to: Number.MAX_SAFE_INTEGER, direction: 'forward', limit: 1_000, maxBytes: 1 << 22 } as const
    const { entries, more } = await target.readMessages(range)
    for (const { seq, ord, msgId, fromUserId, kind, bodyJson, timestamp } of entries)
      log.push({ conversationId, seq, ord, msgId, fromUserId, content: bodyJson, countable: kind === 'message', timestamp })
    if (!more) return log
    from = (entries.at(-1)?.seq ?? from) + 1
  }
}

const lastEnd = (workers: readonly WorkerProcess[]): number =>
  workers.flatMap(({ attempts }) => attempts).reduce((last, { endedAt = 0 }) => Math.max(last, endedAt), 0)

/** The longest time from a moment's first append to its acknowledgement, in ms. */
export const slowest = (history: History): number =>
  history.attempts.reduce(
    (most, { startedAt, endedAt, outcome }) => (outcome?.ok ? Math.max(most, (endedAt ?? startedAt) - startedAt) : most),
    0,
  )

/** A run's figures on one line. */
export function figuresLine(run: KillRun): string {
  const { entries, acknowledged, duplicates, doubtful, storedUnacknowledged, changes, cursorObservations } = run.verdict.figures
  const perSecond = Math.round((entries / run.loadMs) * 1_000)
  return [
    `${entries} stored in ${(run.loadMs / 1_000).toFixed(1)} s (${perSecond}/s)`,
    `${acknowledged} acknowledgements, ${duplicates} of them duplicates, ${doubtful} attempts in doubt, ${storedUnacknowledged} stored unacknowledged`,
    `${changes} changes and ${cursorObservations} cursors seen, slowest acknowledgement ${Math.round(slowest(run.history))} ms`,
    `resolved floor ${run.resolvedFloor}, ${run.epochs} epochs, seed ${run.seed}, violations ${run.verdict.violations.length}`,
  ].join('; ')
}
