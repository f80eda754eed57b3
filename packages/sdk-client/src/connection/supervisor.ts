import { type Clock, type Ids, ImError, SEND_DESTINATIONS } from '@innerline/protocol'
import type { ConnectionSnapshot, ConnectionStatus } from '../api/connection.js'
import type { ImClientOptions, ReconnectOptions } from '../api/options.js'
import type { CallOptions, Readable } from '../api/readable.js'
import { draw, pauseMs } from '../delays.js'
import type { Events } from '../events.js'
import { asImError, kindOf } from '../failure.js'
import { createCell } from '../observable.js'
import { present } from '../present.js'
import { pageLifecycle } from '../runtime/page-lifecycle.js'
import { createTimer } from '../timer.js'
import { createWaiters, quiet } from '../waiting.js'
import { openLink, openSocket, type Link, type LinkHandlers, type Welcome } from './link.js'
import { watchLiveness, type Liveness } from './liveness.js'
import { type ConnectionEffect, type ConnectionEvent, INITIAL, type Phase, step } from './machine.js'
import type { TokenSource } from './token-source.js'

const STABLE_MS = 30_000
const LOST_AFTER_MS = 5_000

const statusOf: Partial<Record<Phase, ConnectionStatus>> = { idle: 'idle', closing: 'idle', closed: 'closed', open: 'connected' }

export interface SupervisorHooks {
  /** May throw an ImError to refuse the connection for good. */
  opened(welcome: Welcome): void
  message: LinkHandlers['message']
  receipt: LinkHandlers['receipt']
  /** The connection is no more. */
  closed(): void
  /** Writes a heads heart-beat. */
  beat(): void
}

export interface Supervisor {
  readonly connection: Readable<ConnectionSnapshot>
  dispatch(event: ConnectionEvent): void
  whenConnected(options?: CallOptions): Promise<ConnectionSnapshot>
  /** Resolves when no connection is left. */
  whenResting(): Promise<void>
  /** Writes a SEND; false when there is no connection. */
  send(destination: string, body: object, receipt?: string): boolean
  /** Gives a new token to the server on the living connection. */
  refresh(): void
}

/** Gives the machine a clock, a token and sockets, and carries its effects out. */
export function createSupervisor(
  options: ImClientOptions,
  { clock, ids, events, tokens, url }: { clock: Clock; ids: Ids; events: Events; tokens: TokenSource; url: () => string },
  hooks: SupervisorHooks,
): Supervisor {
  const { minDelayMs = 1_000, maxDelayMs = 30_000 }: ReconnectOptions = options.reconnect || {}
  const policy = { enabled: options.reconnect !== false, minDelayMs, maxDelayMs }
  let state = INITIAL
  let token = ''
  let link: Link | undefined
  let welcome: Welcome | undefined
  let liveness: Liveness | undefined
  let lost = false
  let nextRetryAt: number | undefined
  let unwatch: (() => void) | undefined
  const waitTimer = createTimer(clock)
  const lostTimer = createTimer(clock)
  const stableTimer = createTimer(clock)
  const refreshTimer = createTimer(clock)
  const waiters = createWaiters()
  const resting = createWaiters()

  const compute = (): ConnectionSnapshot => {
    const { phase, failures, known, error } = state
    const open = phase === 'open'
    return present({
      status: statusOf[phase] ?? (known ? 'reconnecting' : 'connecting'),
      lost,
      attempt: open ? 0 : failures,
      nextRetryAt: phase === 'waiting' ? nextRetryAt : undefined,
      error: open ? undefined : error,
      connectionId: open ? welcome?.connectionId : undefined,
      epoch: open ? welcome?.epoch : undefined,
    })
  }
  const connection = createCell(compute, events.report)
  let told = connection.getSnapshot()
  const publish = () => {
    const before = told
    if (JSON.stringify(compute()) === JSON.stringify(before)) return
    connection.changed()
    told = connection.getSnapshot()
    events.emit('connection', told, before)
  }

  const dropLink = () => {
    const had = welcome
    liveness?.stop()
    stableTimer.stop()
    refreshTimer.stop()
    link?.discard()
    link = liveness = welcome = undefined
    if (had) hooks.closed()
  }
  const failed = (cause: unknown) => {
    const error = asImError(cause, 'OFFLINE')
    dispatch({ type: kindOf(error), error })
  }

  // A bug must neither be swallowed (stompjs' parser does) nor end the supervision.
  const guarded = (fn: () => void) => {
    try {
      fn()
    } catch (cause) {
      events.report(cause)
    }
  }
  const open = () => {
    try {
      link = openLink(
        { socket: openSocket(url(), options.webSocket), token, deviceId: options.device?.id, clock },
        {
          opened(info) {
            welcome = info
            try {
              hooks.opened(info)
            } catch (cause) {
              return failed(cause)
            }
            stableTimer.start(STABLE_MS, () => dispatch({ type: 'stable' }))
            liveness = watchLiveness(clock, hooks.beat, () => failed(new ImError('ACK_TIMEOUT', { detail: 'no answer to a heart-beat' })))
            dispatch({ type: 'opened', windowMs: info.windowMs })
          },
          message(queue, body) {
            liveness?.alive()
            guarded(() => hooks.message(queue, body))
          },
          receipt(id, headers) {
            liveness?.alive()
            guarded(() => hooks.receipt(id, headers))
          },
          gone: dispatch,
        },
      )
    } catch (cause) {
      failed(cause)
    }
  }
  const run = (effect: ConnectionEffect) => {
    switch (effect.type) {
      case 'fetch':
        // An answer that comes too late meets a phase in which it means nothing: the machine's table says so.
        tokens.fetch(effect.reason).then((value) => {
          token = value
          dispatch({ type: 'token' })
        }, failed)
        return
      case 'open':
        return open()
      case 'wait': {
        const delayMs = draw(effect.span, ids)
        nextRetryAt = clock.now() + delayMs
        return waitTimer.start(delayMs, () => dispatch({ type: 'timer' }))
      }
      case 'discard':
        return dropLink()
      case 'end':
        liveness?.stop()
        link?.end()
        return
      case 'probe':
        return liveness?.probe()
    }
  }

  const queue: ConnectionEvent[] = []
  // Events raised by effects and listeners wait their turn, so that each step sees a settled state.
  const dispatch = (event: ConnectionEvent): void => {
    if (queue.push(event) > 1) return
    for (const next of queue) {
      const from = state.phase
      const [to, effects] = step(state, next, policy)
      state = to
      if (state.phase !== 'waiting' && !state.draining) waitTimer.stop()
      guarded(() => {
        for (const effect of effects) run(effect)
        settle(from)
      })
    }
    queue.length = 0
  }
  const atRest = () => state.phase === 'idle' || state.phase === 'closed'
  const settleWaiters = () => {
    const { phase, error } = state
    if (phase === 'open') waiters.settle()
    if (phase === 'closed') waiters.settle(error)
    if (atRest()) resting.settle()
  }
  const settle = (from: Phase) => {
    const { phase } = state
    if (atRest()) {
      unwatch?.()
      unwatch = undefined
    } else unwatch ??= (options.lifecycle ?? pageLifecycle).watch(() => dispatch({ type: 'wake' }))
    if (statusOf[phase]) {
      lostTimer.stop()
      lost = phase === 'closed'
    } else if (!lost && !lostTimer.running()) {
      lostTimer.start(LOST_AFTER_MS, () => {
        lost = true
        publish()
      })
    }
    publish()
    if (phase === from) return
    if (phase === 'idle') waiters.settle(new ImError('CLIENT_CLOSED'))
    settleWaiters()
  }

  const refresh = (attempt = 1) => {
    const mine = link
    refreshTimer.stop()
    tokens.fetch('expiring').then(
      (value) => mine === link && mine?.send(SEND_DESTINATIONS.refresh, { token: value }, 'refresh'),
      (error: ImError) => {
        if (mine !== link) return
        if (error.code === 'UNAUTHORIZED') return failed(error)
        events.report(error)
        refreshTimer.start(pauseMs(undefined, attempt, ids), () => refresh(attempt + 1))
      },
    )
  }

  return {
    connection,
    dispatch,
    refresh: () => refresh(),
    send: (destination, body, receipt) => link?.send(destination, body, receipt) ?? false,
    whenConnected({ signal } = {}) {
      // The same failure is in the snapshot.
      const connected = quiet(waiters.wait(signal).then(connection.getSnapshot))
      settleWaiters()
      return connected
    },
    whenResting() {
      const rested = resting.wait()
      settleWaiters()
      return rested
    },
  }
}
