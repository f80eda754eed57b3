import {
  type ChatMessage,
  type ConversationSummary,
  type ErrorMessage,
  type HeartbeatAnswer,
  ImError,
  QUEUES,
  type Queue,
  SEND_DESTINATIONS,
  type SessionEvent,
  type Summary,
} from '@innerline/protocol'
import type { ImClient } from './api/client.js'
import type { ImClientOptions } from './api/options.js'
import { addresses } from './addresses.js'
import type { Welcome } from './connection/link.js'
import { createSupervisor } from './connection/supervisor.js'
import { createTokenSource } from './connection/token-source.js'
import { createAcks } from './conversation/acks.js'
import { createDirectory } from './conversation/directory.js'
import { createLimiter } from './conversation/pull.js'
import { createEvents } from './events.js'
import { errorOf } from './failure.js'
import { createRequest } from './http/rest.js'
import { createCell } from './observable.js'
import { createOutbox } from './outbox/outbox.js'
import { systemClock, systemIds } from './runtime/system.js'
import { guardedStore } from './store/guarded.js'
import { memoryStore } from './store/memory.js'

const HEADS_PER_BEAT = 64
const RELOAD_MS = 500

/** Puts the parts together. */
export function createClient(options: ImClientOptions): ImClient {
  const clock = options.clock ?? systemClock
  const ids = options.ids ?? systemIds
  const events = createEvents(options.logger)
  const { emit, report } = events
  const store = guardedStore(options.storage ?? memoryStore(), report)
  const tokens = createTokenSource(options.getToken, clock)
  const { http, ws } = addresses(options)
  const request = createRequest(http, tokens, clock, options.fetch)

  let userId = options.userId
  let epoch = 0
  let destroyed = false
  let booted: Promise<void> | undefined
  let bootDone: () => void = () => {}
  const whenBooted = new Promise<void>((resolve) => {
    bootDone = resolve
  })
  /** The store is open, and frames may be taken. */
  let taking = false
  /** The summary of this connection has come. */
  let attached = false
  let frames: (() => void)[] = []
  let watched: readonly string[] = []
  let cancelReload = () => {}
  let reloading = false

  const supervisor = createSupervisor(options, { clock, ids, events, tokens, url: ws }, { opened, message, receipt, closed, beat })
  const send = supervisor.send
  const acks = createAcks(clock, () => epoch, send)
  const outbox = createOutbox(options.outbox ?? {}, {
    clock,
    ids,
    store,
    emit,
    userId: () => userId ?? '',
    send,
    probe: () => supervisor.dispatch({ type: 'wake' }),
    changed(conversationId) {
      outboxCell.changed()
      directory.core(conversationId).outboxChanged()
    },
    committed: (committed) => directory.core(committed.conversationId).committed(committed),
  })
  const outboxCell = createCell(() => outbox.items(), report)
  const directory = createDirectory(
    {
      clock,
      ids,
      events,
      store,
      outbox,
      acks,
      request,
      limit: createLimiter(),
      userId: () => userId,
      opened: () => booted?.then(() => {}) ?? whenBooted,
      send: (destination, body) => send(destination, body),
      ready: () => attached,
      sameEpoch,
    },
    request,
    options.open === 'eager',
    report,
  )

  function boot(user: string): Promise<void> {
    return store
      .open(user)
      .then(() => store.epoch())
      .then(async (stored) => {
        epoch = stored
        outbox.restore(await store.outbox())
        bootDone()
      })
      .catch(report)
  }
  /** Positions are (epoch, seq): another epoch voids them all. Never the outbox. */
  function changeEpoch(next: number): void {
    const before = epoch
    epoch = next
    booted = Promise.resolve(booted).then(() => store.reset(next))
    acks.reset()
    for (const one of directory.cores.values()) one.reset()
    if (before !== 0) emit('epoch', { epoch: next, before })
  }
  function sameEpoch(told: number): boolean {
    if (!(told > epoch)) return told === epoch
    changeEpoch(told)
    reload(0)
    return false
  }

  function opened(welcome: Welcome): void {
    const { userId: user } = welcome
    if (userId !== undefined && user !== userId) {
      throw new ImError('UNAUTHORIZED', { detail: 'the token is of another user; make a client per user' })
    }
    userId = user
    booted ??= boot(user)
    const mine = frames
    booted.then(() => {
      // Another connection may have come meanwhile.
      if (mine !== frames || destroyed) return
      if (welcome.epoch > 0 && welcome.epoch !== epoch) changeEpoch(welcome.epoch)
      taking = true
      for (const take of mine.splice(0)) take()
      acks.resume()
      outbox.resume()
      if (watched.length) send(SEND_DESTINATIONS.watchPresence, { userIds: watched })
    }, report)
  }
  function closed(): void {
    taking = attached = false
    frames = []
    cancelReload()
    acks.pause()
    outbox.pause()
  }
  function beat(): void {
    const heads: Record<string, number> = {}
    let count = 0
    for (const [id, { at }] of directory.cores) if (at !== undefined && count++ < HEADS_PER_BEAT) heads[id] = at
    send(SEND_DESTINATIONS.heartbeat, { epoch, heads })
  }
  function receipt(id: string, headers: Readonly<Record<string, string>>): void {
    if (!acks.settle(id)) outbox.receipt(id, headers)
  }
  /** What the server told too little of: read the summary, once for all who ask within a moment. */
  function reload(delayMs = RELOAD_MS): void {
    if (reloading) return
    reloading = true
    const done = () => {
      reloading = false
    }
    const cancel = clock.after(delayMs, () => {
      request<Summary>('GET', '/api/im/offline/summary').then(
        (summary) => {
          done()
          if (taking) takeSummary(summary)
        },
        (error: ImError) => {
          done()
          if (taking && error.retry !== 'never') reload(error.retryAfterMs ?? 5_000 * (1 + ids.random()))
          else report(error)
        },
      )
    })
    cancelReload = () => {
      cancel()
      done()
    }
  }
  function takeSummary(summary: Summary): void {
    if (summary.epoch < epoch) return
    if (summary.epoch > epoch) changeEpoch(summary.epoch)
    attached = true
    directory.summary(summary)
  }

  function message(queue: Queue, body: object): void {
    const take = () => {
      if (queue === QUEUES.messages) entry(body as ChatMessage)
      else if (queue === QUEUES.session) session(body as SessionEvent)
      else if (queue === QUEUES.heartbeat) answer(body as HeartbeatAnswer)
      else refusal(body as ErrorMessage)
    }
    if (taking) take()
    else frames.push(take)
  }
  function entry(entry: ChatMessage): void {
    if (!(entry.seq > 0)) return
    const core = directory.core(entry.conversationId)
    // Title and settings of a conversation that begins now are in its summary alone.
    if (!core.listed) reload()
    core.frame(entry)
  }
  function answer({ epoch: told, heads }: HeartbeatAnswer): void {
    if (sameEpoch(told)) for (const [id, seq] of Object.entries(heads ?? {})) directory.core(id).head(seq)
  }
  function refusal(body: ErrorMessage): void {
    const error = errorOf(body)
    const { receipt: id = '', msgId } = body
    if (error.code === 'TOKEN_EXPIRED') supervisor.refresh()
    if (acks.settle(id, error)) {
      if (error.code === 'EPOCH_CHANGED') reload(0)
    } else if (!outbox.refused(id || (msgId ?? ''), error)) report(error)
  }
  function session(event: SessionEvent): void {
    switch (event.event) {
      case 'summary':
        return takeSummary(event)
      case 'cursor':
        return directory.core(event.conversationId).cursor(event.deliveredSeq, event.readSeq, event.unread)
      case 'conversation': {
        const { event: _, at: __, ...summary } = event
        return directory.core(event.conversationId).summary(summary as ConversationSummary, false)
      }
      case 'receipt':
        if (event.userId === userId) return
        directory.core(event.conversationId).receipt(event)
        return emit('receipt', event)
      case 'typing':
        if (event.userId === userId) return
        directory.core(event.conversationId).typingBy(event.userId)
        return emit('typing', event)
      case 'presence':
        return emit('presence', event)
      case 'lag':
        // Frames were dropped. A summary follows once the socket has drained; until then nothing is certain.
        for (const one of directory.cores.values()) one.doubt()
        return
      case 'resync':
        return reload(0)
      case 'drain':
        return supervisor.dispatch({ type: 'drain', inMs: event.reconnectInMs })
      case 'auth-expiring':
        return supervisor.refresh()
      case 'kicked':
        return emit('kicked', event)
      default:
        return emit('session', event)
    }
  }
  const rest = () => {
    acks.flush()
    supervisor.dispatch({ type: 'disconnect' })
    return supervisor.whenResting()
  }

  return {
    get userId() {
      return userId
    },
    connection: supervisor.connection,
    conversations: directory.api,
    outbox: {
      getSnapshot: outboxCell.getSnapshot,
      subscribe: outboxCell.subscribe,
      cancel: outbox.cancel,
      retry: outbox.retry,
    },
    connect(callOptions) {
      if (!destroyed) {
        if (userId !== undefined) booted ??= boot(userId)
        supervisor.dispatch({ type: 'connect' })
        return supervisor.whenConnected(callOptions)
      }
      const refused = Promise.reject(new ImError('CLIENT_CLOSED'))
      refused.catch(() => {})
      return refused
    },
    disconnect: rest,
    async destroy({ clear = false } = {}) {
      if (destroyed) return
      destroyed = true
      const resting = rest()
      const gone = new ImError('CLIENT_CLOSED')
      cancelReload()
      outbox.close()
      for (const one of directory.cores.values()) one.stop(gone)
      tokens.abort()
      await resting
      acks.pause()
      if (clear) await store.clear()
      await store.close()
      events.close()
    },
    whenConnected: supervisor.whenConnected,
    on: events.on,
    watchPresence(userIds) {
      watched = [...userIds]
      send(SEND_DESTINATIONS.watchPresence, { userIds: watched })
    },
    request: (method, path, requestOptions) => {
      const answered = request<never>(method, path, requestOptions)
      answered.catch(() => {})
      return answered
    },
    inspect: () => ({
      userId,
      epoch,
      connection: supervisor.connection.getSnapshot(),
      outbox: outbox.items().map(({ msgId, conversationId, status, error }) => ({ msgId, conversationId, status, code: error?.code })),
      conversations: [...directory.cores].map(([id, { at, api }]) => {
        const { sync, headSeq, floorSeq, unread, holes } = api.getSnapshot()
        return { id, at, sync, headSeq, floorSeq, unread, holes }
      }),
    }),
  }
}
