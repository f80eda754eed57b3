import type { GatewaySocket } from './socket.js'

export interface QueueLimits {
  /** Bytes the socket may have left untaken before log messages are no longer queued. */
  readonly logQueueBytes: number
  /** Bytes of answers beyond that before the connection is given up. */
  readonly owedQueueBytes: number
}

/** What a flush found: `lag` when the socket does not keep up, `overflow` when even the answers are too many. */
export type FlushOutcome = 'ok' | 'lag' | 'overflow'

/**
 * One connection's bounded queue, flushed once per event-loop turn in one write. Answers (owed) are kept, log messages are dropped
 * once the reader lags (the log has them), of hints the latest of a key wins. What counts against the limit is what
 * the socket had not taken at the flush before, so a burst within one turn harms nobody.
 */
export class OutboundQueue {
  #owed: Uint8Array[] = []
  #log: Uint8Array[] = []
  /** Made on first use: most connections of a quiet service never need it. */
  #hints: Map<string, Uint8Array> | undefined
  #owedBytes = 0
  /** Answers handed over since the socket was last within its limit; some of them may still be untaken. */
  #owedBehind = 0
  #lagging = false
  /** All bytes ever handed to the socket, to tell a slow reader from one that has stopped. */
  written = 0

  get lagging(): boolean {
    return this.#lagging
  }

  get isEmpty(): boolean {
    return this.#owed.length === 0 && this.#log.length === 0 && (this.#hints === undefined || this.#hints.size === 0)
  }

  pushOwed(frame: Uint8Array): void {
    this.#owed.push(frame)
    this.#owedBytes += frame.length
  }

  /** Ignored while lagging. */
  pushLog(frame: Uint8Array): void {
    if (!this.#lagging) this.#log.push(frame)
  }

  /** Ignored while lagging. */
  pushHint(key: string, frame: Uint8Array): void {
    if (this.#lagging) return
    this.#hints ??= new Map()
    this.#hints.set(key, frame)
  }

  /** Drops messages and hints until `catchUp`. */
  lag(): void {
    this.#lagging = true
    this.#log = []
    this.#hints = undefined
  }

  catchUp(): void {
    this.#lagging = false
  }

  /** Hands everything over. On `lag` nothing but the answers was handed over, and the messages are still queued. */
  flush(socket: GatewaySocket, limits: QueueLimits): FlushOutcome {
    const backlog = socket.bufferedBytes
    let outcome: FlushOutcome = 'ok'
    if (backlog > limits.logQueueBytes) {
      // Answers are handed over whatever the backlog, so they are counted apart from the messages of a burst.
      if (this.#owedBehind + this.#owedBytes > limits.owedQueueBytes) return 'overflow'
      if (!this.#lagging && this.#log.length > 0) outcome = 'lag'
      this.#owedBehind += this.#owedBytes
    } else {
      this.#owedBehind = 0
    }
    let frames = this.#owed
    this.#owed = []
    this.#owedBytes = 0
    if (outcome === 'ok') {
      if (frames.length === 0) frames = this.#log
      else for (const frame of this.#log) frames.push(frame)
      if (this.#hints !== undefined) for (const frame of this.#hints.values()) frames.push(frame)
      this.#log = []
      this.#hints = undefined
    }
    this.#write(socket, frames)
    return outcome
  }

  #write(socket: GatewaySocket, frames: readonly Uint8Array[]): void {
    if (frames.length === 0) return
    for (const frame of frames) this.written += frame.length
    socket.write(frames)
  }
}
