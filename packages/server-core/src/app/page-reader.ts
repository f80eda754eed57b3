import { ImError } from '@innerline/protocol'
import type { LogStorage, MessageRange, MessageSlice } from '../ports/index.js'

export interface PageReaderOptions {
  readonly storage: Pick<LogStorage, 'readMessages'>
  /** Reads at once. */
  readonly concurrency: number
  /** Reads that may wait for a place. */
  readonly queue: number
  readonly pageBytes: number
}

interface Waiting {
  readonly range: MessageRange
  readonly result: Promise<MessageSlice>
  readonly resolve: (slice: MessageSlice) => void
  readonly reject: (error: unknown) => void
}

/**
 * The node's one door to reading pages: a bounded number at once, a bounded number waiting, then `BUSY`. Identical
 * ranges that have not been issued yet are read once for all who ask. One that is already running is never joined:
 * it may have read before the entry that made the second caller ask.
 */
export class PageReader {
  readonly #options: PageReaderOptions
  readonly #waiting = new Map<string, Waiting>()
  #running = 0

  constructor(options: PageReaderOptions) {
    this.#options = options
  }

  /** Rejects `BUSY` when too many wait, `UNAVAILABLE` on an outage. */
  read(request: Omit<MessageRange, 'maxBytes'>): Promise<MessageSlice> {
    const range = { ...request, maxBytes: this.#options.pageBytes }
    if (this.#running < this.#options.concurrency) return this.#issue(range)
    const key = `${range.conversationId} ${range.from} ${range.to} ${range.direction} ${range.limit}`
    const same = this.#waiting.get(key)
    if (same !== undefined) return same.result
    if (this.#waiting.size >= this.#options.queue) {
      return Promise.reject(new ImError('BUSY', { detail: 'Too many pages are being read.', retryAfterMs: 1_000 }))
    }
    let resolve!: Waiting['resolve']
    let reject!: Waiting['reject']
    const result = new Promise<MessageSlice>((yes, no) => {
      resolve = yes
      reject = no
    })
    this.#waiting.set(key, { range, result, resolve, reject })
    return result
  }

  async #issue(range: MessageRange): Promise<MessageSlice> {
    this.#running++
    try {
      return await this.#options.storage.readMessages(range)
    } finally {
      this.#running--
      this.#next()
    }
  }

  #next(): void {
    for (const [key, waiting] of this.#waiting) {
      if (this.#running >= this.#options.concurrency) return
      this.#waiting.delete(key)
      this.#issue(waiting.range).then(waiting.resolve, waiting.reject)
    }
  }
}
