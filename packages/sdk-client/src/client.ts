import { ImError, isImError, SEND_DESTINATIONS, type Summary } from '@innerline/protocol'
import type { ImClient } from './api/client.js'
import type { ImClientOptions } from './api/options.js'
import { addresses } from './addresses.js'
import type { Welcome } from './connection/link.js'
import { createSupervisor } from './connection/supervisor.js'
import { createTokenSource } from './connection/token-source.js'
import { createAcks } from './conversation/acks.js'
import { createDirectory } from './conversation/directory.js'
import { createLimiter } from './conversation/pull.js'
import { pauseMs } from './delays.js'
import { createEvents } from './events.js'
import { createRequest } from './http/rest.js'
import { createInbound } from './inbound.js'
import { createCell } from './observable.js'
import { createOutbox } from './outbox/outbox.js'
import { systemClock, systemIds } from './runtime/system.js'
import { guardedStore } from './store/guarded.js'
import { memoryStore } from './store/memory.js'
import { createTimer } from './timer.js'
import { quiet } from './waiting.js'

const HEADS_PER_BEAT = 64
const RELOAD_MS = 500
/** A summary that cannot be read is no haste: its pauses are those of a fourth attempt. */
const RELOAD_ATTEMPT = 4

/** Makes a client. Nothing happens before `connect()`: no timer, no listener, no request, no storage. */
export function createImClient(options: ImClientOptions): ImClient {
  const { clock = systemClock, ids = systemIds, storage = memoryStore() } = options
  const events = createEvents(options.logger)
  const { emit, report } = events
  const store = guardedStore(storage, report)
  const tokens = createTokenSource(options.getToken, clock)
  const { http, ws } = addresses(options)
  const request = createRequest(http, tokens, clock, options.fetch)

  let { userId } = options
  let epoch = 0
  let destroyed = false
  let boot: (user: string) => void = () => {}
  /** Whose data it is is known first by option or by the first connection; after that the store is opened, once. */
  let booted = new Promise<string>((resolve) => {
    boot = resolve
  })
    .then(async (user) => {
      await store.open(user)
      epoch = await store.epoch()
      outbox.restore(await store.outbox())
    })
    .catch(report)
  /** The store is open, and frames may be taken. */
  let taking = false
  /** The summary of this connection has come. */
  let attached = false
  let frames: Parameters<typeof inbound>[] = []
  /** Open conversations that the last heart-beats have named; the next one names others. */
  let asked = 0
  const reloadTimer = createTimer(clock)
  let reading = false

  const supervisor = createSupervisor(options, { clock, ids, events, tokens, url: ws }, { opened, message, receipt, closed, beat })
  const { send, dispatch, connection, whenConnected } = supervisor
  const acks = createAcks(clock, () => epoch, send)
  const outbox = createOutbox(options.outbox ?? {}, {
    clock,
    ids,
    store,
    emit,
    userId: () => userId ?? '',
    send,
    probe: () => dispatch({ type: 'wake' }),
    changed(conversationId) {
      outboxCell.changed()
      directory.core(conversationId).changed()
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
      epoch: () => epoch,
      opened: () => booted,
      send,
      ready: () => attached,
      sameEpoch,
    },
    options.open === 'eager',
  )
  const inbound = createInbound({ events, acks, outbox, directory, supervisor, userId: () => userId, sameEpoch, summary, doubt, reload })

  /** Positions are (epoch, seq): a newer epoch voids them all. Never the outbox. */
  function changeEpoch(next: number): void {
    const before = epoch
    epoch = next
    booted = booted.then(() => store.reset(next))
    acks.reset()
    for (const core of directory.cores.values()) core.reset()
    if (before !== 0) emit('epoch', { epoch: next, before })
  }
  /** Ends a connection of another epoch: its frames do not name theirs. */
  function outdated(): void {
    dispatch({ type: 'lost', error: new ImError('EPOCH_CHANGED') })
  }
  function sameEpoch(told: number): boolean {
    if (!(told > epoch)) return told === epoch
    changeEpoch(told)
    outdated()
    return false
  }

  function opened(welcome: Welcome): void {
    const { userId: user } = welcome
    if (userId !== undefined && user !== userId) throw new ImError('UNAUTHORIZED', { detail: 'token of another user' })
    userId = user
    boot(user)
    const mine = frames
    booted.then(() => {
      // Another connection may have come meanwhile.
      if (mine !== frames || destroyed) return
      // A node that has not heard of the new epoch yet; the next one may have.
      if (welcome.epoch < epoch) return outdated()
      if (welcome.epoch > epoch) changeEpoch(welcome.epoch)
      taking = true
      for (const frame of mine.splice(0)) inbound(...frame)
      acks.resume()
      outbox.resume()
    }, report)
  }
  function closed(): void {
    taking = attached = false
    frames = []
    reloadTimer.stop()
    acks.pause()
    outbox.pause()
  }
  function message(...frame: Parameters<typeof inbound>): void {
    if (taking) inbound(...frame)
    else frames.push(frame)
  }
  function receipt(id: string, headers: Readonly<Record<string, string>>): void {
    if (!acks.settle(id)) outbox.receipt(id, headers)
  }
  function beat(): void {
    const open = [...directory.cores].flatMap(([id, { at }]) => (at === undefined ? [] : [[id, at]]))
    if (asked >= open.length) asked = 0
    send(SEND_DESTINATIONS.heartbeat, { epoch, heads: Object.fromEntries(open.slice(asked, asked + HEADS_PER_BEAT)) })
    asked += HEADS_PER_BEAT
  }
  const reread = async () => {
    // One at a time, and not the one under way, which may have been read too early.
    if (reading) return reload()
    reading = true
    try {
      const told = await request<Summary>('GET', '/api/im/offline/summary')
      if (taking && sameEpoch(told.epoch)) directory.summary(told, false)
    } catch (cause) {
      if (taking && isImError(cause) && cause.retry !== 'never') reload(pauseMs(cause, RELOAD_ATTEMPT, ids))
      else report(cause)
    }
    reading = false
  }
  /** What the server told too little of: read the summary, once for all who ask within a moment. */
  function reload(delayMs = RELOAD_MS): void {
    if (!reloadTimer.running()) reloadTimer.start(delayMs, reread)
  }
  function summary(told: Summary): void {
    if (!sameEpoch(told.epoch)) return
    attached = true
    directory.summary(told, true)
  }
  function doubt(): void {
    attached = false
    for (const core of directory.cores.values()) core.doubt()
  }
  const rest = () => {
    acks.flush()
    dispatch({ type: 'disconnect' })
    return supervisor.whenResting()
  }

  return {
    get userId() {
      return userId
    },
    connection,
    conversations: directory.api,
    outbox: { ...outboxCell, cancel: outbox.cancel, retry: outbox.retry },
    connect(callOptions) {
      if (destroyed) return quiet(Promise.reject(new ImError('CLIENT_CLOSED')))
      if (userId !== undefined) boot(userId)
      dispatch({ type: 'connect' })
      return whenConnected(callOptions)
    },
    disconnect: rest,
    async destroy({ clear = false } = {}) {
      if (destroyed) return
      destroyed = true
      const resting = rest()
      const gone = new ImError('CLIENT_CLOSED')
      reloadTimer.stop()
      outbox.close()
      for (const core of directory.cores.values()) core.stop(gone)
      tokens.abort()
      await resting
      if (clear) await store.clear()
      await store.close()
      events.close()
    },
    whenConnected,
    on: events.on,
    request: (method, path, requestOptions) => quiet(request<never>(method, path, requestOptions)),
    inspect: () => ({
      userId,
      epoch,
      connection: connection.getSnapshot(),
      outbox: outbox.items().map(({ body: _, ...item }) => item),
      conversations: [...directory.cores.values()].map(({ at, api }) => {
        const { title: _, lastMessage: __, ...state } = api.getSnapshot()
        return { at, ...state }
      }),
    }),
  }
}
