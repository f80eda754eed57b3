import { type ChatMessage, type ConversationSummary, ImError, type MessagePage, SEND_DESTINATIONS } from '@innerline/protocol'
import type { Conversation, ConversationSnapshot, SyncState } from '../api/conversation.js'
import type { CallOptions } from '../api/readable.js'
import { createCell } from '../observable.js'
import { createTimer } from '../timer.js'
import { createWaiters, quiet, sharing } from '../waiting.js'
import type { ConversationCore, ConversationPorts } from './core.js'
import { createOthers } from './others.js'
import { NOWHERE, PULL_LIMIT, type PositionEffect, type PositionEvent, step, syncOf } from './position.js'
import { createPuller, historyPath } from './pull.js'
import { absorb, advanceBy, emptied, moveCursor, type Standing, unknown } from './summary.js'
import { createView } from './view.js'

const HOLD_MS = 200
const TYPING_EVERY_MS = 3_000

export function createConversation(id: string, ports: ConversationPorts): ConversationCore {
  const { clock, events, store, outbox, acks, userId } = ports
  let position = NOWHERE
  let standing: Standing | undefined
  let sync: SyncState = 'dormant'
  let pulled = 0
  let generation = 0
  let told = false
  let restored = false
  let opens = 0
  let stopped: ImError | undefined
  let chain: Promise<void> = Promise.resolve()
  let loadingOlder = false
  let typingAt = -TYPING_EVERY_MS
  const holdTimer = createTimer(clock)
  const waiters = createWaiters()
  const others = createOthers(clock, () => changed())
  const view = createView(id, ports, others.statusAt)

  const standingNow = () => standing ?? unknown(id, userId())
  const hasOlder = () => view.low() >= position.floor
  const snapshot = createCell((): ConversationSnapshot => {
    const { seenOrd: _, ...known } = standingNow()
    return {
      ...known,
      headSeq: Math.max(known.headSeq, position.head),
      floorSeq: position.floor,
      sync,
      holes: hasOlder() ? [{ fromSeq: position.floor, toSeq: view.low() }] : [],
      hasOlder: hasOlder(),
      loadingOlder,
      typing: others.typing(),
      peers: others.peers(),
    }
  }, events.report)
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
  /** One after another, in the order of the steps; what was queued before a reset is void. */
  const enqueue = (task: () => unknown) => {
    const mine = generation
    chain = chain.then(() => (mine === generation ? task() : undefined)).then(undefined, events.report)
  }

  const apply = async ({ rows, from, origin }: PositionEffect & { type: 'apply' }) => {
    const mine = generation
    // What another writer of this store had first, its application was told. This view still shows it.
    const had = await store.apply(id, ports.epoch(), from, rows)
    if (mine !== generation) return
    view.append(rows, from)
    if (origin === 'sync') pulled += rows.length
    for (const message of rows) {
      outbox.echo(message)
      if (message.seq > had) events.emit('message', { message, origin })
    }
    acks.delivered(id, view.last())
  }
  const prepend = (rows: readonly ChatMessage[]) => {
    rows.forEach(outbox.echo)
    return view.prepend(rows)
  }
  const tellSync = (phase: 'start' | 'end', complete: boolean) => events.emit('sync', { conversationId: id, phase, pulled, complete })
  const showSync = (now: SyncState) => {
    if (now === sync) return
    const before = sync
    sync = now
    changed()
    if (now === 'pulling') {
      pulled = 0
      tellSync('start', false)
    } else if (before === 'pulling') tellSync('end', now === 'live')
    if (now === 'live') waiters.settle()
  }
  const run = (effect: PositionEffect) => {
    switch (effect.type) {
      case 'apply':
        return enqueue(() => apply(effect))
      case 'pull':
        puller.stop()
        // Behind the rows of the last page: a slow store slows the reading down.
        return enqueue(puller.pull)
      case 'pullLater':
        return puller.pullLater()
      case 'hold':
        if (!holdTimer.running()) holdTimer.start(HOLD_MS, () => dispatch({ type: 'overdue' }))
    }
  }
  const dispatch = (event: PositionEvent) => {
    const [next, effects] = step(position, event)
    const shifted = next.head !== position.head || next.floor !== position.floor
    position = next
    if (shifted) snapshot.changed()
    effects.forEach(run)
    const now = syncOf(position)
    if (now !== 'live') showSync(now)
    // Only once all that makes it live is stored and shown, and if nothing has come between.
    else enqueue(() => view.last() === position.last && syncOf(position) === now && showSync(now))
  }
  /** Back to dormant, whoever had it open. */
  const rest = (error: ImError) => {
    puller.stop()
    opens = 0
    waiters.settle(error)
    dispatch({ type: 'close' })
  }
  const receipts = ({ receipts: read = [] }: Pick<MessagePage, 'receipts'>) => {
    if (read.length === 0) return
    read.forEach(others.receipt)
    view.changed()
    changed()
  }
  const puller = createPuller(id, ports, { position: () => position, dispatch, receipts, failed: rest })

  const restore = async () => {
    await ports.opened()
    if (restored) return
    restored = true
    const mine = generation
    const stored = await store.position(id)
    if (!stored) return
    const { lastSeq: last } = stored
    const held = await store.rows(id, last - PULL_LIMIT + 1, last)
    if (mine !== generation) return
    dispatch({ type: 'restored', last })
    view.append(held, last - held.length)
    held.forEach(outbox.echo)
  }
  const close = () => {
    if (opens > 0 && --opens === 0) rest(new ImError('CANCELLED'))
  }
  const loadOlder = sharing(async ({ limit = 50, signal }: CallOptions & { readonly limit?: number } = {}) => {
    const mine = generation
    const low = view.low()
    loadingOlder = true
    snapshot.changed()
    try {
      const held = await store.rows(id, low - limit + 1, low)
      if (mine !== generation || prepend(held).length > 0) return { hasMore: hasOlder() }
      if (hasOlder()) {
        const page = await ports.request<MessagePage>('GET', historyPath(id), { query: { beforeSeq: low + 1, limit }, signal })
        receipts(page)
        if (ports.sameEpoch(page.epoch)) {
          dispatch({ type: 'head', seq: 0, floor: page.floorSeq })
          const shown = prepend(page.messages)
          if (shown.length > 0) enqueue(() => store.apply(id, page.epoch, low - shown.length, shown))
          await chain
        }
      }
      return { hasMore: hasOlder() }
    } finally {
      loadingOlder = false
      changed()
    }
  })

  const api: Conversation = {
    id,
    ...snapshot,
    messages: view.messages,
    get holes() {
      return snapshot.getSnapshot().holes
    },
    get hasOlder() {
      return hasOlder()
    },
    open({ signal } = {}) {
      if (stopped) return quiet(Promise.reject(stopped))
      opens++
      const live = waiters.wait(signal, close)
      if (sync === 'live') waiters.settle()
      enqueue(async () => {
        await restore()
        if (opens > 0) dispatch({ type: 'open' })
      })
      return live
    },
    close,
    loadOlder,
    send: (body, options) => outbox.add(id, body, options),
    markRead(upToSeq) {
      const known = standingNow()
      const readSeq = upToSeq ?? (position.opened ? view.last() : known.headSeq)
      if (readSeq <= known.readSeq) return
      acks.read(id, readSeq)
      stand(moveCursor(known, { deliveredSeq: 0, readSeq }))
    },
    typing() {
      const now = clock.monotonic()
      if (now - typingAt >= TYPING_EVERY_MS && ports.send(SEND_DESTINATIONS.typing, { conversationId: id })) typingAt = now
    },
  }
  return {
    api,
    get told() {
      return told
    },
    get at() {
      return position.opened ? position.last : undefined
    },
    frame(message) {
      others.sent(message.fromUserId)
      outbox.echo(message)
      dispatch({ type: 'frame', message })
      stand(advanceBy(standing ?? { ...standingNow(), seenOrd: message.ord - 1 }, message, userId()))
    },
    summary(summary: ConversationSummary, inTotal: boolean) {
      const { headSeq, floorSeq, deliveredSeq } = summary
      told = true
      dispatch({ type: 'head', seq: headSeq, floor: floorSeq })
      // An acknowledgement of an earlier run may have been lost with its page.
      if (position.opened && deliveredSeq < view.last()) acks.delivered(id, view.last())
      stand(absorb(standing, summary), inTotal)
    },
    head: (seq) => dispatch({ type: 'head', seq }),
    cursor(cursors) {
      if (standing) stand(moveCursor(standing, cursors, cursors))
    },
    receipt: (receipt) => receipts({ receipts: [receipt] }),
    typed: others.typed,
    committed: view.committed,
    changed: view.changed,
    resume(named) {
      dispatch({ type: 'told', named })
      puller.resume()
    },
    doubt: () => dispatch({ type: 'doubt' }),
    reset() {
      generation++
      puller.stop()
      holdTimer.stop()
      restored = true
      view.clear()
      others.reset()
      if (standing) standing = emptied(standing)
      enqueue(ports.opened)
      dispatch({ type: 'reset' })
      // An open that had not got as far as the position.
      if (opens > 0) dispatch({ type: 'open' })
      view.changed()
      changed()
    },
    stop(error) {
      stopped = error
      rest(error)
      holdTimer.stop()
      others.stop()
    },
  }
}
