import { type Cancel, type Clock, ImError, SEND_DESTINATIONS } from '@innerline/protocol'
import { createTimer } from '../timer.js'
import { type Cursors, furthest } from './summary.js'

const INTERVAL_MS = 1_000
/** A receipt follows the node's flush, each second; one that takes longer was lost, or its frame was. */
const ANSWER_MS = 10_000
const PER_FRAME = 100

export interface Acks {
  /** Everything up to `seq` is in this device's store. */
  delivered(conversationId: string, seq: number): void
  read(conversationId: string, seq: number): void
  /** A receipt or refusal of one of ours; false for ids that are not. */
  settle(receiptId: string, error?: ImError): boolean
  /** The connection is there: what is owed goes out. */
  resume(): void
  /** The connection is gone: what was not confirmed is owed again. */
  pause(): void
  /** Sends what is owed at once, as the connection is about to end. */
  flush(): void
  /** Positions have lost their meaning. */
  reset(): void
}

/** Sends positions at most once a second, the newest of each conversation, until the server has confirmed them. */
export function createAcks(clock: Clock, epoch: () => number, send: (destination: string, body: object, receipt: string) => boolean): Acks {
  const owed = new Map<string, Cursors>()
  const sent = new Map<string, { readonly part: [string, Cursors][]; readonly cancel: Cancel }>()
  const timer = createTimer(clock)
  let active = false
  let number = 0
  let flushedAt = Number.NEGATIVE_INFINITY

  const merge = (part: [string, Cursors][]) => {
    for (const [id, cursors] of part) owed.set(id, furthest(owed.get(id), cursors))
  }
  const flush = () => {
    timer.stop()
    if (!active || owed.size === 0) return
    const part = [...owed].slice(0, PER_FRAME)
    // A zero would say nothing; an ack names only what moves, as JSON leaves undefined out.
    const acks = part.map(([conversationId, { deliveredSeq, readSeq }]) => {
      return { conversationId, deliveredSeq: deliveredSeq || undefined, readSeq: readSeq || undefined }
    })
    const id = `ack-${++number}`
    if (!send(SEND_DESTINATIONS.ack, { epoch: epoch(), acks }, id)) return
    for (const [conversationId] of part) owed.delete(conversationId)
    sent.set(id, { part, cancel: clock.after(ANSWER_MS, () => settle(id, new ImError('ACK_TIMEOUT', { retryAfterMs: 0 }))) })
    flushedAt = clock.monotonic()
    schedule()
  }
  // The first goes at the end of this turn, as a page may be closed within the second; what follows waits.
  const schedule = (delayMs = Math.max(0, flushedAt + INTERVAL_MS - clock.monotonic())) => {
    if (active && owed.size && !timer.running()) timer.start(delayMs, flush)
  }
  /** Ends the wait for one answer. */
  const take = (id: string) => {
    const one = sent.get(id)
    one?.cancel()
    sent.delete(id)
    return one?.part
  }
  const settle = (id: string, error?: ImError): boolean => {
    const part = take(id)
    if (part && error?.retry === 'later') {
      merge(part)
      schedule(error.retryAfterMs ?? 5 * INTERVAL_MS)
    }
    return part !== undefined
  }
  const add = (id: string, deliveredSeq: number, readSeq: number) => {
    merge([[id, { deliveredSeq, readSeq }]])
    schedule()
  }
  return {
    delivered: (id, seq) => add(id, seq, 0),
    read: (id, seq) => add(id, 0, seq),
    settle,
    resume() {
      active = true
      schedule()
    },
    pause() {
      active = false
      timer.stop()
      for (const id of [...sent.keys()]) merge(take(id) ?? [])
    },
    flush,
    reset() {
      for (const id of [...sent.keys()]) take(id)
      owed.clear()
    },
  }
}
