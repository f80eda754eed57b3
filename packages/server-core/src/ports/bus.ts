/**
 * Carries wake-ups and frames between nodes: best effort, unordered, may lose, repeat or delay. Nothing depends on it
 * but latency; the change feed is the truth.
 */
export interface Bus {
  /** Connects. Rejects with a sentence when it cannot. Idempotent. */
  start(): Promise<void>
  /** Leaves every channel; resolves when nothing of its own is open. Idempotent. */
  close(): Promise<void>
  /**
   * Sends bytes to every *other* node that has joined the channel; the publishing node never gets its own. Never
   * rejects and never throws: a loss is told by `onInterrupted` or not at all. Ignored after close. `bytes` must not be changed afterwards.
   */
  publish(channel: string, bytes: Uint8Array): void
  /** From its resolution on, frames of the channel arrive. Joining twice is joining once. */
  join(channel: string): Promise<void>
  /** After its resolution no frame of the channel arrives. */
  leave(channel: string): Promise<void>
  /** The one receiver; set before start. Called with frames of joined channels only. A throw is reported and swallowed. */
  onMessage(receive: (channel: string, bytes: Uint8Array) => void): void
  /** Called whenever frames may have been lost: on every break and again when it is mended. */
  onInterrupted(listener: () => void): void
  /** False while frames are known not to flow. */
  readonly healthy: boolean
  /** True while no other node can be listening, as far as this bus knows for sure; saves making frames for nobody. */
  readonly alone?: boolean
}
