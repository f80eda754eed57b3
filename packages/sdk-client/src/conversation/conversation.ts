import {
  type Cancel,
  type ChatMessage,
  type ConversationSummary,
  ImError,
  type MessagePage,
  type Receipt,
  SEND_DESTINATIONS,
} from '@innerline/protocol'
import type { Conversation, ConversationSnapshot, Hole, SyncState } from '../api/conversation.js'
import type { Message, MessageStatus } from '../api/message.js'
import type { Events } from '../events.js'
import { createCell } from '../observable.js'
import type { OutboxQueue } from '../outbox/outbox.js'
import type { ImStore } from '../store/store.js'
import type { Acks } from './acks.js'
import { NOWHERE, PULL_LIMIT, type PositionEffect, type PositionEvent, step, syncOf } from './position.js'
import { createOthers } from './others.js'
import { createPuller, historyPath, type PullPorts } from './pull.js'
import { refOf } from './ref.js'
import { absorb, advanceBy, moveCursor, type Standing } from './summary.js'
import { createRows } from './timeline.js'

const HOLD_MS = 200
const TYPING_EVERY_MS = 3_000
const KEPT_ROWS = 1_000

export interface ConversationPorts extends PullPorts {
  readonly events: Events
  readonly store: ImStore
  readonly outbox: OutboxQueue
  readonly acks: Acks
  userId(): string | undefined
  /** Resolves once the store is opened. */
  opened(): Promise<void>
  send(destination: string, body: object): boolean
  /** Head, preview, unread or the like changed; `unreadBy` is the change of unread that the total does not know of. */
  changed(unreadBy: number): void
}

/** One conversation as the client drives it. */
export interface ConversationCore {
  readonly api: Conversation
  /** What the list needs; `listed` once the server or an entry has told of it. */
  readonly listed: boolean
  /** Where an open conversation is, for the heads heart-beat; undefined when dormant. */
  readonly at: number | undefined
  frame(message: ChatMessage): void
  summary(summary: ConversationSummary, inTotal: boolean): void
  head(seq: number): void
  cursor(deliveredSeq: number, readSeq: number, unread: number): void
  receipt(receipt: Receipt): void
  typingBy(userId: string): void
  /** An own message was committed and its entry is on its way. */
  committed(message: Message): void
  outboxChanged(): void
  /** Where things stand was told (again): pulls may run. `named`: this conversation was in what was told. */
  resume(named: boolean): void
  doubt(): void
  reset(): void
  stop(error: ImError): void
}

export function createConversation(id: string, ports: ConversationPorts): ConversationCore {
  const { clock, events, store, outbox, acks } = ports
  let position = NOWHERE
  let standing: Standing | undefined
  let shownSync: SyncState = 'dormant'
  let pulled = 0
  let generation = 0
  let restored = false
  let opens = 0
  let stopped: ImError | undefined
  let chain: Promise<void> = Promise.resolve()
  let cancelHold: Cancel | undefined
  let older: Promise<{ hasMore: boolean }> | undefined
  let typingAt = Number.NEGATIVE_INFINITY
  const rows = createRows()
  const sent = new Map<string, Message>()
  const waiters = new Set<(error?: ImError) => void>()

  const unknown = (): Standing => ({
    conversationId: id,
    ...refOf(id, ports.userId()),
    headSeq: 0,
    headOrd: 0,
    deliveredSeq: 0,
    readSeq: 0,
    joinSeq: 0,
    floorSeq: 1,
    unread: 0,
    mentionSeq: 0,
    pinned: false,
    hidden: false,
    updatedAt: 0,
    seenOrd: 0,
  })
  const hasOlder = () => rows.low >= position.floor
  const holes = (): Hole[] => (hasOlder() ? [{ fromSeq: position.floor, toSeq: rows.low }] : [])
  const compute = (): ConversationSnapshot => {
    const { seenOrd: _, headOrd: __, joinSeq: ___, ...known } = standing ?? unknown()
    return {
      ...known,
      headSeq: Math.max(known.headSeq, position.head),
      floorSeq: position.floor,
      sync: shownSync,
      holes: holes(),
      hasOlder: hasOlder(),
      loadingOlder: older !== undefined,
      typing: others.typing(),
      peers: others.peers(),
    }
  }
  const snapshot = createCell(compute, events.report)
  const statusOf = (row: ChatMessage): MessageStatus | undefined =>
    row.fromUserId === ports.userId() && row.kind === 'message' ? others.statusAt(row.seq) : undefined
  const messages = createCell(
    () => [
      ...rows.items(statusOf),
      ...[...sent.values()]
        .sort((a, b) => a.seq - b.seq)
        .map((message) => ({ ...message, own: true, status: statusOf(message) ?? 'sent' })),
      ...outbox.items(id),
    ],
    events.report,
  )
  const changed = (unreadBy = 0) => {
    snapshot.changed()
    ports.changed(unreadBy)
    events.emit('conversation', { conversation: snapshot.getSnapshot() })
  }
  const stand = (next: Standing, inTotal = false) => {
    if (next === standing) return
    const unreadBy = inTotal ? 0 : next.unread - (standing?.unread ?? 0)
    standing = next
    changed(unreadBy)
  }
  const others = createOthers(clock, () => changed())
  /** One after another, in the order of the steps; what was queued before a reset is void. */
  const enqueue = (task: () => unknown) => {
    const mine = generation
    chain = chain.then(() => (mine === generation ? task() : undefined)).then(undefined, events.report)
  }

  const apply = async (effect: PositionEffect & { type: 'apply' }) => {
    const mine = generation
    const { rows: entries, low, last, origin } = effect
    // False: another writer of this store had them first, and its application was told. This view still shows them.
    const first = await store.apply(id, entries, effect.expected, { lowSeq: low, lastSeq: last })
    if (mine !== generation) return
    rows.append(entries, low, effect.dropped)
    // A bot that runs for months shows nothing to anybody; a page keeps what somebody may be scrolled to.
    if (!messages.watched()) rows.trim(KEPT_ROWS)
    for (const [msgId, { seq }] of sent) if (seq <= last) sent.delete(msgId)
    messages.changed()
    if (origin === 'sync') pulled += entries.length
    for (const message of entries) {
      outbox.echo(message)
      if (first) events.emit('message', { message, origin })
    }
    acks.delivered(id, last)
  }
  const prepend = async (effect: PositionEffect & { type: 'prepend' }) => {
    await store.apply(id, effect.rows, effect.last, { lowSeq: effect.low, lastSeq: effect.last })
    if (rows.low !== effect.low + effect.rows.length) return
    rows.prepend(effect.rows, effect.low)
    for (const message of effect.rows) outbox.echo(message)
    messages.changed()
    changed()
  }
  const showSync = (now: SyncState) => {
    if (now === shownSync) return
    const before = shownSync
    shownSync = now
    changed()
    if (now === 'pulling') {
      pulled = 0
      events.emit('sync', { conversationId: id, phase: 'start', pulled, complete: false })
    } else if (before === 'pulling') {
      events.emit('sync', { conversationId: id, phase: 'end', pulled, complete: now === 'live' })
    }
    if (now === 'live') for (const settle of [...waiters]) settle()
  }
  const run = (effect: PositionEffect) => {
    switch (effect.type) {
      case 'apply':
        return enqueue(() => apply(effect))
      case 'prepend':
        return enqueue(() => prepend(effect))
      case 'pull':
        // Behind the rows of the last page: a slow store slows the reading down.
        return enqueue(puller.pull)
      case 'pullLater':
        return puller.pullLater()
      case 'hold':
        cancelHold ??= clock.after(HOLD_MS, () => {
          cancelHold = undefined
          dispatch({ type: 'overdue' })
        })
        return
    }
  }
  const dispatch = (event: PositionEvent) => {
    const [next, effects] = step(position, event)
    const shifted = next.head !== position.head || next.floor !== position.floor
    position = next
    if (shifted) snapshot.changed()
    for (const effect of effects) run(effect)
    const sync = syncOf(position)
    enqueue(() => showSync(sync))
  }
  const giveUp = (error: ImError) => {
    puller.stop()
    dispatch({ type: 'failed' })
    opens = 0
    for (const settle of [...waiters]) settle(error)
  }
  const receipts = ({ receipts: told = [] }: Pick<MessagePage, 'receipts'>) => {
    if (told.length === 0) return
    for (const one of told) others.receipt(one)
    messages.changed()
    changed()
  }
  const puller = createPuller(id, ports, { position: () => position, dispatch, receipts, failed: giveUp })

  const restore = async () => {
    await ports.opened()
    if (restored) return
    restored = true
    const mine = generation
    const stored = await store.position(id)
    if (!stored) return
    const { lowSeq, lastSeq } = stored
    const held = await store.rows(id, Math.max(lowSeq, lastSeq - PULL_LIMIT) + 1, lastSeq)
    if (mine !== generation) return
    dispatch({ type: 'restored', low: lowSeq, last: lastSeq })
    rows.append(held, lastSeq - held.length, true)
    messages.changed()
  }
  const close = () => {
    if (opens === 0 || --opens > 0) return
    puller.stop()
    dispatch({ type: 'close' })
    for (const settle of [...waiters]) settle(new ImError('CANCELLED'))
  }
  const loadOlder = async (limit: number, signal: AbortSignal | undefined) => {
    if (position.low < rows.low) {
      const from = Math.max(position.low + 1, rows.low - limit + 1)
      const held = await store.rows(id, from, rows.low)
      if (held[0]?.seq === from && held.at(-1)?.seq === rows.low) {
        rows.prepend(held, from - 1)
        messages.changed()
        return { hasMore: hasOlder() }
      }
    }
    if (hasOlder()) {
      const low = rows.low
      const query = { beforeSeq: low + 1, limit }
      const page = await ports.request<MessagePage>('GET', historyPath(id), { query, signal })
      receipts(page)
      if (ports.sameEpoch(page.epoch)) dispatch({ type: 'older', low, messages: page.messages, floor: page.floorSeq })
      await chain
    }
    return { hasMore: hasOlder() }
  }

  const api: Conversation = {
    id,
    getSnapshot: snapshot.getSnapshot,
    subscribe: snapshot.subscribe,
    messages,
    get holes() {
      return snapshot.getSnapshot().holes
    },
    get hasOlder() {
      return hasOlder()
    },
    open({ signal } = {}) {
      const promise = new Promise<void>((resolve, reject) => {
        const settle = (error?: ImError) => {
          waiters.delete(settle)
          signal?.removeEventListener('abort', onAbort)
          if (error) reject(error)
          else resolve()
        }
        const onAbort = () => {
          settle(new ImError('CANCELLED'))
          close()
        }
        waiters.add(settle)
        if (stopped) return settle(stopped)
        opens++
        signal?.addEventListener('abort', onAbort)
        if (signal?.aborted) onAbort()
        else if (shownSync === 'live') settle()
      })
      promise.catch(() => {})
      enqueue(async () => {
        await restore()
        if (opens > 0) dispatch({ type: 'open' })
      })
      return promise
    },
    close,
    loadOlder({ limit = 50, signal } = {}) {
      older ??= loadOlder(limit, signal).finally(() => {
        older = undefined
        changed()
      })
      older.catch(() => {})
      snapshot.changed()
      return older
    },
    send: (body, options) => outbox.add(id, body, options),
    markRead(upToSeq) {
      const known = standing ?? unknown()
      const seq = upToSeq ?? (position.opened ? position.last : known.headSeq)
      if (seq <= known.readSeq) return
      acks.read(id, seq)
      stand(moveCursor(known, { deliveredSeq: 0, readSeq: seq }))
    },
    typing() {
      const now = clock.monotonic()
      if (now - typingAt < TYPING_EVERY_MS) return
      if (ports.send(SEND_DESTINATIONS.typing, { conversationId: id })) typingAt = now
    },
  }
  return {
    api,
    get listed() {
      return standing !== undefined && !standing.hidden && standing.headSeq > 0
    },
    get at() {
      return position.opened ? position.last : undefined
    },
    frame(message) {
      others.sent(message.fromUserId)
      outbox.echo(message)
      dispatch({ type: 'frame', message })
      stand(advanceBy(standing ?? { ...unknown(), seenOrd: message.ord - 1 }, message, ports.userId()))
    },
    summary(summary, inTotal) {
      dispatch({ type: 'head', seq: summary.headSeq, floor: summary.floorSeq })
      // An acknowledgement of an earlier run may have been lost with its page.
      if (position.opened && summary.deliveredSeq < position.last) acks.delivered(id, position.last)
      stand(absorb(standing, summary), inTotal)
    },
    head: (seq) => dispatch({ type: 'head', seq }),
    cursor(deliveredSeq, readSeq, unread) {
      if (standing) stand(moveCursor(standing, { deliveredSeq, readSeq }, unread))
    },
    receipt: (receipt) => receipts({ receipts: [receipt] }),
    typingBy: others.typed,
    committed(message) {
      if (message.seq <= position.last || rows.has(message.msgId)) return
      sent.set(message.msgId, message)
      // A dormant conversation never gets the entry; what a page shows of it stays bounded.
      if (sent.size > 100) sent.delete(sent.keys().next().value!)
    },
    outboxChanged: () => messages.changed(),
    resume(named) {
      if (!named) dispatch({ type: 'unsure' })
      puller.resume()
    },
    doubt: () => dispatch({ type: 'doubt' }),
    reset() {
      generation++
      puller.stop()
      cancelHold?.()
      cancelHold = undefined
      restored = true
      rows.clear()
      sent.clear()
      others.reset()
      const zero = { headSeq: 0, headOrd: 0, seenOrd: 0, unread: 0, deliveredSeq: 0, readSeq: 0, mentionSeq: 0 }
      if (standing) standing = { ...standing, ...zero }
      enqueue(ports.opened)
      dispatch({ type: 'reset' })
      // An open that had not got as far as the position.
      if (opens > 0) dispatch({ type: 'open' })
      messages.changed()
      changed()
    },
    stop(error) {
      stopped = error
      giveUp(error)
      cancelHold?.()
      others.stop()
    },
  }
}
