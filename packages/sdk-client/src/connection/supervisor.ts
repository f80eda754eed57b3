import { type Cancel, type Clock, type Ids, ImError, isImError, SEND_DESTINATIONS } from '@innerline/protocol'
import type { ConnectionSnapshot, ConnectionStatus } from '../api/connection.js'
import type { ImClientOptions, ReconnectOptions } from '../api/options.js'
import type { CallOptions, Readable } from '../api/readable.js'
import { backoff, draw } from '../delays.js'
import type { Events } from '../events.js'
import { createCell } from '../observable.js'
import { pageLifecycle } from '../runtime/page-lifecycle.js'
import { openLink, openSocket, type Link, type LinkHandlers, type Welcome } from './link.js'
import { watchLiveness, type Liveness } from './liveness.js'
import { type ConnectionEffect, type ConnectionEvent, INITIAL, type Phase, step } from './machine.js'
import type { TokenSource } from './token-source.js'

const STABLE_MS = 30_000
const LOST_AFTER_MS = 5_000

const statusOf: Record<Phase, ConnectionStatus | undefined> = {
  idle: 'idle',
  closing: 'idle',
  closed: 'closed',
  open: 'connected',
  fetching: undefined,
  opening: undefined,
  waiting: undefined,
}

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
  const tuning: ReconnectOptions = options.reconnect || {}
  const policy = {
    enabled: options.reconnect !== false,
    minDelayMs: tuning.minDelayMs ?? 1_000,
    maxDelayMs: tuning.maxDelayMs ?? 30_000,
  }
  let state = INITIAL
  let token = ''
  let link: Link | undefined
  let welcome: Welcome | undefined
  let liveness: Liveness | undefined
  let openedAt = 0
  let lost = false
  let nextRetryAt: number | undefined
  let cancelWait: Cancel | undefined
  let cancelLost: Cancel | undefined
  let cancelRefresh: Cancel | undefined
  let unwatch: (() => void) | undefined
  const waiters = new Set<(error?: ImError) => void>()
  const resting = new Set<() => void>()

  const compute = (): ConnectionSnapshot => ({
    status: statusOf[state.phase] ?? (state.known ? 'reconnecting' : 'connecting'),
    lost,
    attempt: state.phase === 'open' ? 0 : state.failures,
    ...(nextRetryAt !== undefined && state.phase === 'waiting' ? { nextRetryAt } : {}),
    ...(state.error && state.phase !== 'open' ? { error: state.error } : {}),
    ...(welcome && state.phase === 'open' ? { connectionId: welcome.connectionId, epoch: welcome.epoch } : {}),
  })
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
    cancelRefresh?.()
    link?.discard()
    link = liveness = welcome = undefined
    if (had) hooks.closed()
  }
  const stable = () => welcome !== undefined && clock.monotonic() - openedAt >= STABLE_MS
  const failed = (cause: unknown) => {
    const error = isImError(cause) ? cause : new ImError('OFFLINE', { detail: (cause as Error)?.message, cause })
    dispatch(
      error.code === 'UNAUTHORIZED' || error.code === 'UNSUPPORTED'
        ? { type: 'refused', error }
        : { type: 'lost', error, stable: stable() },
    )
  }

  // A bug must neither be swallowed (stompjs does) nor end the supervision.
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
            openedAt = clock.monotonic()
            try {
              hooks.opened(info)
            } catch (cause) {
              return failed(cause)
            }
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
          gone: (ending) => dispatch({ ...ending, stable: stable() }),
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
        cancelWait?.()
        nextRetryAt = clock.now() + delayMs
        cancelWait = clock.after(delayMs, () => dispatch({ type: 'timer' }))
        return
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
  let busy = false
  // Events raised by effects and listeners wait their turn, so that each step sees a settled state.
  const dispatch = (event: ConnectionEvent): void => {
    queue.push(event)
    if (busy) return
    busy = true
    for (let next = queue.shift(); next; next = queue.shift()) {
      const from = state.phase
      const [to, effects] = step(state, next, policy)
      state = to
      if (state.phase !== 'waiting' && !state.draining) cancelWait?.()
      guarded(() => {
        for (const effect of effects) run(effect)
        settle(from)
      })
    }
    busy = false
  }
  const settle = (from: Phase) => {
    const { phase } = state
    const atRest = phase === 'idle' || phase === 'closed'
    if (atRest) {
      unwatch?.()
      unwatch = undefined
    } else unwatch ??= (options.lifecycle ?? pageLifecycle).watch(() => dispatch({ type: 'wake' }))
    if (atRest || phase === 'closing' || phase === 'open') {
      cancelLost?.()
      cancelLost = undefined
      lost = phase === 'closed'
    } else {
      cancelLost ??= clock.after(LOST_AFTER_MS, () => {
        lost = true
        publish()
      })
    }
    publish()
    if (phase === from) return
    const error = phase === 'closed' ? state.error : phase === 'idle' ? new ImError('CLIENT_CLOSED') : undefined
    if (phase === 'open' || error) for (const settleOne of [...waiters]) settleOne(error)
    if (atRest) for (const resolve of [...resting]) resolve()
  }

  const refresh = (attempt = 1) => {
    const mine = link
    cancelRefresh?.()
    tokens.fetch('expiring').then(
      (value) => mine === link && mine?.send(SEND_DESTINATIONS.refresh, { token: value }, 'refresh'),
      (error: ImError) => {
        if (mine !== link) return
        if (error.code === 'UNAUTHORIZED') return failed(error)
        events.report(error)
        cancelRefresh = clock.after(draw(backoff(attempt), ids), () => refresh(attempt + 1))
      },
    )
  }

  return {
    connection,
    dispatch,
    refresh: () => refresh(),
    send: (destination, body, receipt) => link?.send(destination, body, receipt) ?? false,
    whenConnected({ signal } = {}) {
      const promise = new Promise<ConnectionSnapshot>((resolve, reject) => {
        const settleOne = (error?: ImError) => {
          waiters.delete(settleOne)
          signal?.removeEventListener('abort', onAbort)
          if (error) reject(error)
          else resolve(connection.getSnapshot())
        }
        const onAbort = () => settleOne(new ImError('CANCELLED'))
        waiters.add(settleOne)
        signal?.addEventListener('abort', onAbort)
        if (signal?.aborted) onAbort()
        else if (state.phase === 'open') settleOne()
        else if (state.phase === 'closed') settleOne(state.error)
      })
      // Nobody is obliged to listen: the same failure is in the snapshot.
      promise.catch(() => {})
      return promise
    },
    whenResting: () =>
      new Promise((resolve) => {
        const done = () => {
          resting.delete(done)
          resolve()
        }
        resting.add(done)
        if (state.phase === 'idle' || state.phase === 'closed') done()
      }),
  }
}
