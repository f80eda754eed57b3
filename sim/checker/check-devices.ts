import { place } from './check-log.js'
import {
  groupBy,
  type DeviceHistory,
  type FinalMember,
  type HeldConversation,
  type LoggedEntry,
  type ShownMessage,
  type StoreHistory,
  type TakenRow,
  type Violation,
} from './history.js'

/** What a device is measured by. */
export interface Truth {
  readonly log: readonly LoggedEntry[]
  readonly members: readonly FinalMember[]
}

/**
 * What devices hold and show at rest, against the log: every entry that their user may see, once and in order, or an open hole that the
 * device knows of; nothing else; and no tick that is not true.
 */
export function checkDevices(devices: readonly DeviceHistory[], truth: Truth): Violation[] {
  const logs = groupBy(truth.log, ({ conversationId }) => conversationId)
  const rows = new Map(truth.members.map((member) => [`${member.userId} ${member.conversationId}`, member]))
  return devices.flatMap((device): Violation[] => {
    const found: Violation[] = []
    if (device.unsettled.length > 0)
      found.push({ rule: 'send-open', detail: `${device.device} still has ${device.unsettled.join(', ')} in its outbox` })
    for (const held of device.conversations) {
      const member = rows.get(`${device.userId} ${held.conversationId}`)
      const entries = (logs.get(held.conversationId) ?? []).filter(({ seq }) => member !== undefined && isVisible(member, seq))
      found.push(...checkConversation(device, held, entries, member, rows))
    }
    return found
  })
}

const isVisible = ({ visibleFrom, leaveSeq }: FinalMember, seq: number): boolean => seq >= visibleFrom && seq <= (leaveSeq ?? seq)

function checkConversation(
  { device, userId }: DeviceHistory,
  held: HeldConversation,
  visible: readonly LoggedEntry[],
  member: FinalMember | undefined,
  rows: ReadonlyMap<string, FinalMember>,
): Violation[] {
  const { conversationId, sync, shown, stored, headSeq } = held
  const at = `${device} in ${conversationId}`
  const found: Violation[] = []
  const fault = (rule: Violation['rule'], detail: string): void => void found.push({ rule, detail: `${at}: ${detail}` })
  if (member === undefined && (shown.length > 0 || (stored?.rows.length ?? 0) > 0))
    fault('beyond-membership', `${userId} is no member and holds entries`)
  const end = visible.at(-1)?.seq ?? 0
  if (headSeq !== end) fault('hidden-hole', `knows a head of ${headSeq}, may see up to ${end}`)
  const bySeq = new Map(visible.map((entry) => [entry.seq, entry]))
  const compare = (messages: readonly ShownMessage[], rule: 'view-foreign' | 'store-foreign'): void => {
    for (const { seq, msgId, content } of messages) {
      const entry = bySeq.get(seq)
      if (entry?.msgId !== msgId || entry.content !== content)
        fault(rule, `has ${msgId} as ${seq}, the log has ${entry?.msgId ?? 'nothing they may see'}`)
    }
  }
  compare(shown, 'view-foreign')
  if (stored !== undefined) {
    compare(stored.rows, 'store-foreign')
    const seqs = stored.rows.map(({ seq }) => seq)
    const missing = visible.filter(({ seq }) => seq > stored.lowSeq && seq <= stored.lastSeq && !seqs.includes(seq))
    if (missing.length > 0)
      fault('store-hole', `the store says (${stored.lowSeq}, ${stored.lastSeq}] and lacks ${missing.map(({ seq }) => seq).join(', ')}`)
    if (stored.lastSeq > end) fault('store-foreign', `the store is at ${stored.lastSeq}, the log ends at ${end}`)
    if (sync === 'live' && stored.lastSeq !== end)
      fault('store-behind', `is live, its store is at ${stored.lastSeq}, the log ends at ${end}`)
  }
  if (sync === 'live') {
    const [first] = shown
    const hidden = visible.filter(
      ({ seq }) => (first === undefined || seq < first.seq) && !held.holes.some((hole) => seq >= hole.fromSeq && seq <= hole.toSeq),
    )
    if (hidden.length > 0)
      fault('hidden-hole', `does not show ${place({ conversationId, seq: hidden[0]?.seq ?? 0 })} and names no hole there`)
    for (let i = 1; i < shown.length; i++) {
      const [before, here] = [shown[i - 1]?.seq ?? 0, shown[i]?.seq ?? 0]
      if (here !== before + 1) fault('view-hole', `shows ${here} after ${before}`)
    }
    if (end > 0 && shown.at(-1)?.seq !== end) fault('view-hole', `is live and shows up to ${shown.at(-1)?.seq ?? 0} of ${end}`)
  }
  for (const [peer, position] of Object.entries(held.peers)) {
    const row = rows.get(`${peer} ${conversationId}`)
    if (position.deliveredSeq > (row?.deliveredSeq ?? 0) || position.readSeq > (row?.readSeq ?? 0)) {
      fault(
        'tick-ahead',
        `shows ${peer} at ${position.deliveredSeq}/${position.readSeq}, who is at ${row?.deliveredSeq ?? 0}/${row?.readSeq ?? 0}`,
      )
    }
  }
  return found
}

/** Badges, one by one and in total, and what the service itself counts, by brute force. */
export function checkUnread(devices: readonly DeviceHistory[], { log, members }: Truth): Violation[] {
  const logs = groupBy(log, ({ conversationId }) => conversationId)
  return devices.flatMap((device) => checkBadges(device, members, logs))
}

function checkBadges(
  { device, userId, totalUnread, conversations }: DeviceHistory,
  members: readonly FinalMember[],
  logs: ReadonlyMap<string, readonly LoggedEntry[]>,
): Violation[] {
  const found: Violation[] = []
  const known = new Map(conversations.map((held) => [held.conversationId, held]))
  let total = 0
  for (const member of members) {
    if (member.userId !== userId) continue
    const { conversationId } = member
    const entries = logs.get(conversationId) ?? []
    const counted = unreadByCount(entries, member)
    total += counted
    if (member.unread !== counted)
      found.push({
        rule: 'unread-wrong',
        detail: `the service counts ${member.unread} for ${userId} in ${conversationId}, it is ${counted}`,
      })
    const held = known.get(conversationId)
    if (held === undefined) {
      if (entries.some(({ seq }) => isVisible(member, seq)))
        found.push({ rule: 'unknown-conversation', detail: `${device} does not know ${conversationId}` })
    } else if (held.unread !== counted) {
      found.push({ rule: 'unread-wrong', detail: `${device} shows ${held.unread} unread in ${conversationId}, it is ${counted}` })
    }
  }
  if (total !== totalUnread) found.push({ rule: 'unread-wrong', detail: `${device} shows ${totalUnread} unread over all, it is ${total}` })
  return found
}

/** Unread by brute force: what counts, is visible, and came after what was read and after one's own newest. */
function unreadByCount(entries: readonly LoggedEntry[], member: FinalMember): number {
  const ownLast = entries.findLast((entry) => entry.countable && entry.fromUserId === member.userId)?.seq ?? 0
  const seen = Math.max(member.readSeq, ownLast)
  return entries.filter((entry) => entry.countable && entry.seq > seen && isVisible(member, entry.seq)).length
}

/** `message` events over the whole life of a store: ascending within a conversation, so each once; and one for each row it took. */
export function checkEvents(stores: readonly StoreHistory[]): Violation[] {
  return stores.flatMap(({ store, events, era, taken }): Violation[] => {
    const found: Violation[] = []
    const key = ({ era, conversationId, seq }: TakenRow): string => `${era} ${conversationId} ${seq}`
    const given = new Set(events.map(key))
    for (const row of taken) {
      // What was on its way into the store at a change of epoch is void.
      if (row.era === era && !given.has(key(row)))
        found.push({ rule: 'event-lost', detail: `${row.app} (${store}) has ${place(row)} and was not told of it` })
    }
    for (const seen of groupBy(events, (event) => `${event.era} ${event.conversationId}`).values()) {
      let last = 0
      const seqs = new Set<number>()
      for (const { seq, app, conversationId } of seen) {
        if (seqs.has(seq))
          found.push({ rule: 'event-repeat', detail: `${app} (${store}) was given ${place({ conversationId, seq })} a second time` })
        else if (seq < last)
          found.push({ rule: 'event-order', detail: `${app} (${store}) was given ${place({ conversationId, seq })} after ${last}` })
        seqs.add(seq)
        last = Math.max(last, seq)
      }
    }
    return found
  })
}
