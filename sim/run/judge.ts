import {
  attemptsOf,
  checkCursors,
  checkDevices,
  checkEvents,
  checkHistory,
  checkOrigins,
  checkSends,
  checkUnread,
  type DeviceHistory,
  type FinalMember,
  type HeldConversation,
  type History,
  type LoggedEntry,
  type Violation,
} from '../checker/index.js'
import { unreadOf } from '../../packages/server-core/src/domain/member.js'
import type { Device } from '../world/device.js'
import type { World } from '../world/world.js'

/**
 * Holds what was seen of a history, and what its devices hold at rest, against the log. `badges`: unread, too, which is told by hints that
 * may be lost, and true again with the next summary.
 */
export async function judge(world: World, { badges }: { readonly badges: boolean }): Promise<readonly Violation[]> {
  const { recorder } = world
  const { stores, cursors, readers, excused } = recorder
  // What a restore has lost was acknowledged truly, and was lost all the same.
  const attempts = recorder.attempts.map((attempt) => (excused.has(attempt.msgId) ? { ...attempt, outcome: undefined } : attempt))
  const sends = recorder.sends.filter(({ msgId }) => !excused.has(msgId))
  const log = logOf(world)
  const members = membersOf(world)
  const heads = [...world.database.data.conversations.values()].map(({ conversationId, headSeq, headOrd }) => ({
    conversationId,
    headSeq,
    headOrd,
  }))
  const history: History = { attempts: [...attempts, ...attemptsOf(sends)], log, heads, readers, cursors: [] }
  const devices: DeviceHistory[] = []
  for (const device of world.devices) devices.push(await historyOf(device))
  return [
    ...checkHistory(history).violations,
    ...checkCursors(cursors, recorder.cursorHeads),
    ...checkSends(sends, log),
    ...checkOrigins(new Set(recorder.sends.map(({ msgId }) => msgId)), log),
    ...checkEvents(stores),
    ...checkConsumer(world, log),
    ...checkWires(world),
    ...checkDevices(devices, { log, members }),
    ...(badges ? checkUnread(devices, { log, members }) : []),
  ]
}

/** Whoever was told of a hole has been given a summary that covers it. */
function checkWires({ network }: World): Violation[] {
  const open = [...network.wires].filter(({ isWhole, givenOut }) => isWhole && !givenOut.isSettled)
  return open.map(({ device, node }) => ({
    rule: 'wire-hole',
    detail: `${device.name} was told by ${node.name} of messages it did not get, and of no summary that covers them`,
  }))
}

/** A consumer is given every entry at least once, but for a change of epoch, of which it is told. */
function checkConsumer({ profile, recorder, database }: World, log: readonly LoggedEntry[]): Violation[] {
  if (!profile.consumer || database.data.epoch > 1) return []
  const { events, heardFrom } = recorder
  const isPromised = ({ conversationId, seq }: LoggedEntry): boolean =>
    heardFrom !== undefined && seq > (heardFrom.get(conversationId) ?? 0)
  const missed = log.filter((entry) => isPromised(entry) && !events.has(`${entry.conversationId}#${entry.seq}`))
  return missed.map(({ conversationId, seq }) => ({ rule: 'event-missed', detail: `no consumer was given ${conversationId}#${seq}` }))
}

function logOf({ database }: World): LoggedEntry[] {
  return [...database.data.conversations.values()].flatMap(({ conversationId, entries }) => {
    let ord = 0
    return entries.map((entry): LoggedEntry => {
      const countable = entry.ord > ord
      ord = entry.ord
      const { seq, msgId, fromUserId, bodyJson: content, timestamp } = entry
      return { conversationId, seq, ord, msgId, fromUserId, content, countable, timestamp }
    })
  })
}

function membersOf({ database }: World): FinalMember[] {
  return [...database.data.conversations.values()].flatMap((conversation) =>
    [...conversation.members.values()].map((row) => {
      const { userId, visibleFrom, leaveSeq, deliveredSeq, readSeq } = row
      const unread = conversation.headSeq === 0 ? 0 : unreadOf(conversation, row)
      return { conversationId: conversation.conversationId, userId, visibleFrom, leaveSeq, deliveredSeq, readSeq, unread }
    }),
  )
}

async function historyOf({ name, userId, app, disk }: Device): Promise<DeviceHistory> {
  if (app === undefined) throw new Error(`${name} has no app at rest`)
  const { im } = app
  const known = im.inspect()['conversations'] as readonly { readonly conversationId: string }[]
  const conversations: HeldConversation[] = []
  for (const { conversationId } of known) {
    const conversation = im.conversations.get(conversationId)
    const { sync, headSeq, unread, deliveredSeq, readSeq, holes, peers } = conversation.getSnapshot()
    const shown = conversation.messages
      .getSnapshot()
      .flatMap(({ seq, msgId, body, status }) => (seq === undefined ? [] : [{ seq, msgId, content: JSON.stringify(body), status }]))
    conversations.push({
      ...{ conversationId, sync, headSeq, unread, deliveredSeq, readSeq, holes, peers },
      // Of a dormant conversation only own messages are shown that were sent into it: no run of entries.
      shown,
      stored: await storedOf(disk.store, conversationId),
    })
  }
  const unsettled = im.outbox.getSnapshot().flatMap(({ status, msgId }) => (status === 'failed' ? [] : [msgId]))
  return { device: name, userId, totalUnread: im.conversations.totalUnread.getSnapshot(), conversations, unsettled }
}

async function storedOf(store: Device['disk']['store'], conversationId: string): Promise<HeldConversation['stored']> {
  const position = await store.position(conversationId)
  if (position === undefined) return undefined
  const rows = await store.rows(conversationId, 0, Number.MAX_SAFE_INTEGER)
  return { ...position, rows: rows.map(({ seq, msgId, body }) => ({ seq, msgId, content: JSON.stringify(body) })) }
}
