import { type Clock, ImError, SEND_DESTINATIONS } from '@innerline/protocol'
import { createTimer } from '../timer.js'
import { type Cursors, furthest } from './summary.js'

const INTERVAL_MS = 1_000
/** A receipt follows the node's flush, each second; one that takes longer was lost, or its frame was. */
const ANSWER_MS = 10_000
const PER_FRAME = 100
const PREFIX = 'ack-'
const idOf = (number: number) => PREFIX + number

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
  /** What the one frame under way says, whose id is the newest. */
  let sent: (readonly [string, Cursors])[] = []
  const timer = createTimer(clock)
  const answerTimer = createTimer(clock)
  let active = false
  let number = 0
  let flushedAt = -INTERVAL_MS

  const owe = (conversationId: string, cursors: Cursors) => owed.set(conversationId, furthest(owed.get(conversationId), cursors))
  const forget = () => {
    answerTimer.stop()
    return sent.splice(0)
  }
  const oweAgain = () => {
    for (const [conversationId, cursors] of forget()) owe(conversationId, cursors)
  }
  const flush = () => {
    timer.stop()
    if (!active || owed.size === 0) return
    oweAgain()
    const part = [...owed].slice(0, PER_FRAME)
    // A zero would say nothing; an ack names only what moves, as JSON leaves undefined out.
    const acks = part.map(([conversationId, { deliveredSeq, readSeq }]) => {
      return { conversationId, deliveredSeq: deliveredSeq || undefined, readSeq: readSeq || undefined }
    })
    const id = idOf(++number)
    if (!send(SEND_DESTINATIONS.ack, { epoch: epoch(), acks }, id)) return
    for (const [conversationId] of part) owed.delete(conversationId)
    sent = part
    flushedAt = clock.monotonic()
    answerTimer.start(ANSWER_MS, () => settle(id, new ImError('ACK_TIMEOUT', { retryAfterMs: 0 })))
  }
  // The first goes at the end of this turn, as a page may be closed within the second; what follows waits.
  const schedule = (delayMs = Math.max(0, flushedAt + INTERVAL_MS - clock.monotonic())) => {
    if (active && owed.size && !timer.running() && !answerTimer.running()) timer.start(delayMs, flush)
  }
  const settle = (id: string, error?: ImError): boolean => {
    if (!id.startsWith(PREFIX)) return false
    if (id !== idOf(number)) return true
    if (error?.retry === 'later') oweAgain()
    else forget()
    schedule(error && (error.retryAfterMs ?? 5 * INTERVAL_MS))
    return true
  }
  return {
    delivered(id, deliveredSeq) {
      owe(id, { deliveredSeq, readSeq: 0 })
      schedule()
    },
    read(id, readSeq) {
      owe(id, { deliveredSeq: 0, readSeq })
      schedule()
    },
    settle,
    resume() {
      active = true
      schedule()
    },
    pause() {
      active = false
      timer.stop()
      oweAgain()
    },
    flush,
    reset() {
      forget()
      owed.clear()
    },
  }
}
