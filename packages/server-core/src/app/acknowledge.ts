import { type AckResult, ImError } from '@innerline/protocol'
import type { Clock, ConversationStorage, CursorMove, CursorState, Logger, Principal, UnreadBadges } from '../ports/index.js'
import type { ValidAckRequest } from './requests.js'

const FLUSH_MS = 1_000
const SLICE = 200
/** Conversations one user may move in one flush, and all users of the node: what a hostile one costs is bounded. */
const MAX_PER_USER = 1_000
const MAX_PENDING = 50_000

export interface AcknowledgeOptions {
  readonly storage: Pick<ConversationStorage, 'advanceCursors'>
  readonly badges: UnreadBadges
  readonly clock: Clock
  readonly logger: Logger
  readonly epoch: () => number
  /** Told of every cursor that moved, after the flush: hints for own devices and for peers' ticks. */
  readonly onMoved: (userId: string, conversationId: string, state: CursorState) => void
}

/** One user's position in one conversation on its way to the next flush; everybody who moves it meanwhile shares its outcome. */
interface Pending {
  readonly move: { conversationId: string; userId: string; deliveredSeq: number; readSeq: number }
  /** The epoch its positions are of. */
  readonly epoch: number
  readonly written: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * The use case "I have this, I have read this". Cumulative and forward only, so a lost or repeated
 * acknowledgement does no harm. STOMP's are gathered and flushed each second; REST's are written at once.
 */
export class Acknowledge {
  readonly #options: AcknowledgeOptions
  #pending = new Map<string, Pending>()
  /** How many of them are whose. */
  #perUser = new Map<string, number>()
  #scheduled = false
  #flushing: Promise<void> = Promise.resolve()

  constructor(options: AcknowledgeOptions) {
    this.#options = options
  }

  /** Writes at once and resolves with the new positions; conversations one is not in are left out. Rejects `EPOCH_CHANGED`, `BUSY` where a position was not free. */
  async now(principal: Principal, request: ValidAckRequest): Promise<readonly AckResult[]> {
    this.#checkEpoch(request.epoch)
    const moves = request.acks.map((ack) => moveOf(principal.userId, ack))
    const states = await this.#write(moves)
    if (states.some((state) => state?.held)) throw heldError()
    return states.flatMap((state, i) => {
      if (state === undefined) return []
      const { deliveredSeq, readSeq, unread } = state
      return [{ conversationId: (moves[i] as CursorMove).conversationId, deliveredSeq, readSeq, unread }]
    })
  }

  /** Gathers for the next flush and resolves when that has been written. Rejects `EPOCH_CHANGED`, `UNAVAILABLE`, `BUSY` for too many. */
  soon(principal: Principal, request: ValidAckRequest): Promise<void> {
    try {
      this.#checkEpoch(request.epoch)
      this.#checkRoom(principal.userId, request.acks.length)
    } catch (error) {
      return Promise.reject(error)
    }
    const written = request.acks.map((ack) => this.#gather(moveOf(principal.userId, ack)))
    const [only] = written
    return written.length === 1 && only !== undefined ? only : Promise.all(written).then(() => undefined)
  }

  /** Writes what was gathered. Never rejects: each acknowledgement carries its own outcome. */
  flush(): Promise<void> {
    this.#scheduled = false
    // Taken when its turn comes: while Storage is slow, positions of one conversation go on being folded into one.
    this.#flushing = this.#flushing.then(() => {
      const gathered = [...this.#pending.values()]
      this.#pending = new Map()
      this.#perUser = new Map()
      return this.#flushAll(gathered)
    })
    return this.#flushing
  }

  #checkRoom(userId: string, count: number): void {
    const room = Math.min(MAX_PENDING - this.#pending.size, MAX_PER_USER - (this.#perUser.get(userId) ?? 0))
    if (count > room) throw new ImError('BUSY', { detail: 'Too many positions wait to be written.', retryAfterMs: FLUSH_MS })
  }

  #checkEpoch(epoch: number | undefined): void {
    if (epoch !== undefined && epoch !== this.#options.epoch()) throw new ImError('EPOCH_CHANGED')
  }

  #gather(move: CursorMove): Promise<void> {
    const key = `${move.userId} ${move.conversationId}`
    const epoch = this.#options.epoch()
    let pending = this.#pending.get(key)
    if (pending?.epoch !== epoch) {
      pending?.reject(new ImError('EPOCH_CHANGED'))
      if (pending === undefined) this.#perUser.set(move.userId, (this.#perUser.get(move.userId) ?? 0) + 1)
      pending = newPending(move, epoch)
      this.#pending.set(key, pending)
    }
    pending.move.deliveredSeq = Math.max(pending.move.deliveredSeq, move.deliveredSeq ?? 0)
    pending.move.readSeq = Math.max(pending.move.readSeq, move.readSeq ?? 0)
    if (!this.#scheduled) {
      this.#scheduled = true
      this.#options.clock.after(FLUSH_MS, () => {
        void this.flush()
      })
    }
    return pending.written
  }

  async #flushAll(gathered: Pending[]): Promise<void> {
    // Sorted, so that two nodes that write the same rows take their locks in one order.
    gathered.sort((a, b) => compare(a.move.conversationId, b.move.conversationId) || compare(a.move.userId, b.move.userId))
    for (let i = 0; i < gathered.length; i += SLICE) {
      const slice = this.#inForce(gathered.slice(i, i + SLICE))
      if (slice.length === 0) continue
      try {
        const states = await this.#write(slice.map((pending) => pending.move))
        for (const [at, pending] of slice.entries()) {
          if (states[at]?.held) {
            // Kept for the next flush, but its sender need not wait for as long as somebody else's transaction lasts.
            if (pending.epoch === this.#options.epoch()) void this.#gather(pending.move)
            pending.reject(heldError())
          } else pending.resolve()
        }
      } catch (error) {
        for (const pending of slice) pending.reject(error)
      }
    }
  }

  /** Those that are still of the epoch in force; what is of another may name other entries by now, and is refused. */
  #inForce(gathered: readonly Pending[]): readonly Pending[] {
    const epoch = this.#options.epoch()
    return gathered.filter((pending) => {
      if (pending.epoch === epoch) return true
      pending.reject(new ImError('EPOCH_CHANGED'))
      return false
    })
  }

  async #write(moves: readonly CursorMove[]): Promise<readonly (CursorState | undefined)[]> {
    const { storage, badges, logger, onMoved } = this.#options
    const epoch = this.#options.epoch()
    const states = await storage.advanceCursors(moves)
    states.forEach((state, i) => {
      // What was moved in an epoch that has ended meanwhile is no news of this one.
      if (state?.moved !== true || epoch !== this.#options.epoch()) return
      const { userId, conversationId } = moves[i] as CursorMove
      badges.invalidate(userId).catch((error: unknown) => logger.warn({ err: error }, 'unread badges could not be invalidated'))
      onMoved(userId, conversationId, state)
    })
    return states
  }
}

const heldError = (): ImError => new ImError('BUSY', { detail: 'A position is being written by somebody else.', retryAfterMs: FLUSH_MS })

function newPending({ conversationId, userId }: CursorMove, epoch: number): Pending {
  let resolve!: Pending['resolve']
  let reject!: Pending['reject']
  const written = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  // Not everybody waits for the outcome.
  written.catch(() => undefined)
  return { move: { conversationId, userId, deliveredSeq: 0, readSeq: 0 }, epoch, written, resolve, reject }
}

function moveOf(userId: string, ack: ValidAckRequest['acks'][number]): CursorMove {
  if (ack.upToSeq !== undefined) {
    return { userId, conversationId: ack.conversationId, deliveredSeq: ack.upToSeq, readSeq: ack.upToSeq }
  }
  return { userId, conversationId: ack.conversationId, deliveredSeq: ack.deliveredSeq, readSeq: ack.readSeq }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
