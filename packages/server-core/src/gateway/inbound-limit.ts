import type { Limits, ParsedItem } from '@innerline/protocol'
import { TokenBucket } from './token-bucket.js'

/** However long a pause was, the backlog it excuses is bounded. */
const MAX_PAUSE_MS = 30_000

/** How many frames a connection may send. */
export class InboundLimit {
  readonly #limits: Limits
  readonly #bucket: TokenBucket

  constructor(limits: Limits, now: number) {
    this.#limits = limits
    this.#bucket = new TokenBucket(limits.frameBurst, now)
  }

  /** Frames are what costs, so frames are counted, however many share a WebSocket message; a heart-beat counts as one. */
  allows(items: readonly ParsedItem[], now: number): boolean {
    const { framesPerSecond, frameBurst } = this.#limits
    return this.#bucket.take(framesPerSecond, frameBurst, now, Math.max(1, frameCount(items)))
  }

  /** What the client sent, at its rate, while we did not read arrives at once afterwards: that is not its haste. */
  excuse(pauseMs: number): void {
    this.#bucket.credit((Math.min(pauseMs, MAX_PAUSE_MS) * this.#limits.framesPerSecond) / 1_000)
  }
}

function frameCount(items: readonly ParsedItem[]): number {
  let count = 0
  for (const item of items) if (item !== 'heartbeat') count++
  return count
}
