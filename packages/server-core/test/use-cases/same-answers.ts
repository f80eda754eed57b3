import { isImError } from '@innerline/protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { unreadOf, visibleRange } from '../../src/domain/member.js'
import type { Change, FeedPosition } from '../../src/domain/change.js'
import type { Storage } from '../../src/ports/index.js'
import { anyStep, Cast, type Play, type Step, type World } from './histories.js'
import { memoryBackend } from './memory-backend.js'
import { Stage, type OpenStage, type ShownToOperators } from './stage.js'

const RUNS = Number(process.env['SAME_ANSWERS_RUNS'] ?? 25)

/** What a step came to. */
async function outcome(world: World, play: Play): Promise<unknown> {
  try {
    return comparable(await play(world))
  } catch (error) {
    if (!isImError(error)) throw error
    return { refused: error.code, detail: error.detail, retryAfterMs: error.retryAfterMs }
  }
}

/** Without what storages may choose: the order of what has none, cursors, epochs. */
function comparable(value: unknown): unknown {
  const text = JSON.stringify(value, (key, part: unknown) => {
    if (key === 'next' || key === 'epoch') return part === undefined ? undefined : 'one'
    return part instanceof Map ? [...part].sort() : part
  })
  return text === undefined ? undefined : (JSON.parse(text) as unknown)
}

/** Everything that is stored of the history's conversations, as the port shows it. */
async function stored({ stage }: World, cast: Cast, since: FeedPosition): Promise<unknown> {
  const { storage } = stage
  const conversations = await Promise.all(
    cast.conversations.map(async (conversationId) => {
      const read = await storage.readMembers(conversationId, cast.users)
      const range = { conversationId, from: 1, to: 1_000, direction: 'forward', limit: 1_000, maxBytes: 1 << 24 } as const
      return {
        head: read?.head,
        members: [...(read?.members ?? [])].sort((a, b) => (a.userId < b.userId ? -1 : 1)),
        each: await Promise.all(cast.users.map((userId) => storage.readMember(conversationId, userId))),
        present: await storage.listMemberIds(conversationId, { limit: 10 }),
        entries: (await storage.readMessages(range)).entries,
      }
    }),
  )
  const users = await Promise.all(
    cast.users.map(async (userId) => ({
      memberships: [...(await storage.memberships(userId))].sort((a, b) => (a.conversationId < b.conversationId ? -1 : 1)),
      summaries: await storage.summaries(userId, { limit: 10 }),
    })),
  )
  const told = (await changesSince(storage, since))
    .filter((change) => cast.conversations.includes(change.conversationId))
    .map(({ kind, conversationId, channels, firstSeq, lastSeq, memberVersion }) => ({
      ...{ kind, conversationId, channels: [...channels].sort(), firstSeq, lastSeq, memberVersion },
    }))
  return comparable({ conversations, users, told })
}

async function changesSince(storage: Storage, since: FeedPosition): Promise<readonly Change[]> {
  const changes: Change[] = []
  for (let position = since; ; ) {
    const batch = await storage.changes(position, 20)
    changes.push(...batch.changes)
    position = batch.position
    if (!batch.more) return changes
  }
}

/** What a storage that shows operators anything must show them of a user. */
async function toBeShown({ stage }: World, cast: Cast, userId: string): Promise<ShownToOperators> {
  const unread: Record<string, number> = {}
  const undelivered: Record<string, number[]> = {}
  for (const conversationId of cast.conversations) {
    const read = await stage.storage.readMember(conversationId, userId)
    if (read?.member === undefined) continue
    const { from, to } = visibleRange(read.head, read.member)
    const seqs = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i).filter(
      (seq) => seq > (read.member?.deliveredSeq ?? 0),
    )
    if (seqs.length > 0) undelivered[conversationId] = seqs
    const count = unreadOf(read.head, read.member)
    if (count > 0) unread[conversationId] = count
  }
  return { unread, undelivered }
}

async function playOnBoth(open: OpenStage, steps: readonly Step[]): Promise<void> {
  const stage = await open({ alone: true })
  const subject: World = { stage, node: await stage.node() }
  const beside = await Stage.open(memoryBackend(), { at: stage.clock.now() })
  const model: World = { stage: beside, node: await beside.node() }
  const cast = new Cast(model, stage)
  const [sinceModel, sinceSubject] = [await model.stage.storage.startPosition(), await stage.storage.startPosition()]
  for (const world of [model, subject]) await cast.opened(world)
  for (const [i, step] of steps.entries()) {
    const play = await cast.plan(step)
    const expected = await outcome(model, play)
    expect(await outcome(subject, play), `step ${i}: ${JSON.stringify(step)}`).toEqual(expected)
  }
  expect(await stored(subject, cast, sinceSubject), 'what is stored').toEqual(await stored(model, cast, sinceModel))
  if (subject.stage.backing.shown === undefined) return
  for (const userId of cast.users) {
    expect(await subject.stage.backing.shown(userId), `shown of ${userId}`).toEqual(await toBeShown(model, cast, userId))
  }
}

/** Memory is the model: whatever is asked of both in whatever order, both answer alike and end with the same rows. */
export function sameAnswersCases(open: OpenStage): void {
  it('gives the answers and keeps the rows that memory does, in random histories', { timeout: 120_000 + RUNS * 2_000 }, async () => {
    await fc.assert(sameAnswers(open), { numRuns: RUNS })
  })
}

/** That a storage answers and keeps rows as memory does, whatever it is asked in whatever order. */
export const sameAnswers = (open: OpenStage) =>
  fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 30, size: 'max' }), (steps) => playOnBoth(open, steps))
