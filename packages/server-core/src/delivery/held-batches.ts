import { type LiveBatch, lastSeqOf } from './live-message.js'

const MAX_HELD = 1_000

/** Batches of one conversation that cannot go out yet: a hole is before them, or members have to be read. */
export class HeldBatches {
  #batches: LiveBatch[] = []
  #messages = 0

  get isEmpty(): boolean {
    return this.#batches.length === 0
  }

  /** Seq of the lowest message held; infinite when there is none. */
  get firstSeq(): number {
    return this.#batches.reduce((lowest, batch) => Math.min(lowest, batch.firstSeq), Number.POSITIVE_INFINITY)
  }

  /** False when there were too many: then nothing is held any more, and the log has to be read. */
  add(batch: LiveBatch): boolean {
    if (this.#messages + batch.messages.length > MAX_HELD) {
      this.clear()
      return false
    }
    this.#batches.push(batch)
    this.#messages += batch.messages.length
    return true
  }

  /** Takes out a batch that goes on after `seq`; drops those that are all at or below it. */
  takeAfter(seq: number): LiveBatch | undefined {
    for (;;) {
      const at = this.#batches.findIndex((batch) => batch.firstSeq <= seq + 1)
      if (at < 0) return undefined
      const [batch] = this.#batches.splice(at, 1) as [LiveBatch]
      this.#messages -= batch.messages.length
      if (lastSeqOf(batch) > seq) return batch
    }
  }

  clear(): void {
    this.#batches = []
    this.#messages = 0
  }
}
