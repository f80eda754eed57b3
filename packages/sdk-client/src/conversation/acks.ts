import { type AckEntry, type Cancel, type Clock, type ImError, SEND_DESTINATIONS } from '@innerline/protocol'

const INTERVAL_MS = 1_000
const PER_FRAME = 100

interface Mark {
  deliveredSeq: number
  readSeq: number
}

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
  let owed = new Map<string, Mark>()
  const sent = new Map<string, Map<string, Mark>>()
  let cancelTimer: Cancel | undefined
  let active = false
  let number = 0
  let flushedAt = Number.NEGATIVE_INFINITY

  const merge = (conversationId: string, mark: Mark) => {
    const known = owed.get(conversationId)
    owed.set(conversationId, {
      deliveredSeq: Math.max(known?.deliveredSeq ?? 0, mark.deliveredSeq),
      readSeq: Math.max(known?.readSeq ?? 0, mark.readSeq),
    })
  }
  const flush = () => {
    cancelTimer?.()
    cancelTimer = undefined
    if (!active || owed.size === 0) return
    const part = new Map([...owed].slice(0, PER_FRAME))
    const acks = [...part].map(([conversationId, mark]): AckEntry => {
      // A zero would say nothing; an ack names only what moves.
      return {
        conversationId,
        ...(mark.deliveredSeq ? { deliveredSeq: mark.deliveredSeq } : {}),
        ...(mark.readSeq ? { readSeq: mark.readSeq } : {}),
      }
    })
    const id = `ack-${++number}`
    if (!send(SEND_DESTINATIONS.ack, { epoch: epoch(), acks }, id)) return
    for (const conversationId of part.keys()) owed.delete(conversationId)
    sent.set(id, part)
    flushedAt = clock.monotonic()
    schedule()
  }
  // The first goes at the end of this turn, as a page may be closed within the second; what follows waits.
  const schedule = (delayMs = Math.max(0, flushedAt + INTERVAL_MS - clock.monotonic())) => {
    if (active && owed.size) cancelTimer ??= clock.after(delayMs, flush)
  }
  const restore = (part: Map<string, Mark>) => {
    for (const [conversationId, mark] of part) merge(conversationId, mark)
  }
  const add = (conversationId: string, mark: Mark) => {
    merge(conversationId, mark)
    schedule()
  }
  return {
    delivered: (id, deliveredSeq) => add(id, { deliveredSeq, readSeq: 0 }),
    read: (id, readSeq) => add(id, { deliveredSeq: 0, readSeq }),
    settle(receiptId, error) {
      const part = sent.get(receiptId)
      if (!part) return false
      sent.delete(receiptId)
      if (error && error.retry === 'later') {
        restore(part)
        schedule(error.retryAfterMs ?? 5 * INTERVAL_MS)
      }
      return true
    },
    resume() {
      active = true
      schedule()
    },
    pause() {
      active = false
      cancelTimer?.()
      cancelTimer = undefined
      for (const part of sent.values()) restore(part)
      sent.clear()
    },
    flush,
    reset() {
      owed = new Map()
      sent.clear()
    },
  }
}
