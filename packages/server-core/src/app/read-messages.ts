import { ImError, PAGE, type Receipt } from '@innerline/protocol'
import type { Entry, Head } from '../domain/entry.js'
import { canSee, visibleRange } from '../domain/member.js'
import type { MessageSlice, Principal, Storage } from '../ports/index.js'
import type { ConversationAccess } from './conversation-access.js'
import type { PageReader } from './page-reader.js'

const MAX_RECEIPTS = 10

export interface HistoryQuery {
  readonly beforeId?: string | undefined
  readonly beforeSeq?: number | undefined
  readonly afterSeq?: number | undefined
  readonly beforeTime?: number | undefined
  readonly limit?: number | undefined
}

export interface EntryPage {
  /** Ascending. */
  readonly entries: readonly Entry[]
  readonly hasMore: boolean
  readonly floorSeq: number
  readonly epoch: number
  /** The other members' positions; not in groups, where they would grow with the group. */
  readonly receipts?: readonly Receipt[] | undefined
}

export interface ReadMessagesOptions {
  readonly storage: Storage
  readonly access: ConversationAccess
  readonly pages: PageReader
  readonly epoch: () => number
}

/** The use cases that read a conversation's log: history, offline pull, offset pages, one message. */
export class ReadMessages {
  readonly #options: ReadMessagesOptions

  constructor(options: ReadMessagesOptions) {
    this.#options = options
  }

  /**
   * A page of history, ascending: before or after the one named place (exclusive), or the newest.
   * Rejects `INVALID_REQUEST` for more than one place, `NOT_FOUND` for strangers and unknown `beforeId`.
   */
  async history(principal: Principal, conversationId: string, query: HistoryQuery): Promise<EntryPage> {
    const places = [query.beforeId, query.beforeSeq, query.afterSeq, query.beforeTime].filter((place) => place !== undefined)
    if (places.length > 1) {
      throw new ImError('INVALID_REQUEST', { detail: 'At most one of beforeId, beforeSeq, afterSeq and beforeTime.' })
    }
    // Asked before the read: entries of an old epoch under a new one's number would be kept for good.
    const epoch = this.#options.epoch()
    const { head, member } = await this.#options.access.readable(principal, conversationId)
    const range = visibleRange(head, member)
    const limit = query.limit ?? PAGE.default
    if (query.afterSeq !== undefined) {
      const from = Math.max(range.from, query.afterSeq + 1)
      const slice = await this.#read(conversationId, from, range.to, 'forward', limit)
      return this.#page(principal, head, range.from, slice, epoch)
    }
    const before = await this.#placeBefore(conversationId, query, range.to + 1)
    const slice = await this.#read(conversationId, range.from, Math.min(range.to, before - 1), 'backward', limit)
    return this.#page(principal, head, range.from, slice, epoch)
  }

  /**
   * A page of what came after `afterSeq` (default: the stored `deliveredSeq`), ascending. From below the floor it
   * starts at the floor: what lies below is gone, not missing.
   */
  async offline(
    principal: Principal,
    conversationId: string,
    query: { readonly afterSeq?: number | undefined; readonly limit?: number | undefined },
  ): Promise<EntryPage & { readonly nextAfterSeq: number }> {
    const epoch = this.#options.epoch()
    const { head, member } = await this.#options.access.readable(principal, conversationId)
    const range = visibleRange(head, member)
    const after = Math.max(query.afterSeq ?? member.deliveredSeq, range.from - 1)
    const slice = await this.#read(conversationId, after + 1, range.to, 'forward', query.limit ?? PAGE.default)
    const last = slice.entries[slice.entries.length - 1]
    return { ...(await this.#page(principal, head, range.from, slice, epoch)), nextAfterSeq: last?.seq ?? after }
  }

  /** Entries by offset from the newest, descending, with the number of all visible ones. */
  async byOffset(
    principal: Principal,
    conversationId: string,
    offset: number,
    limit: number,
  ): Promise<{ readonly entries: readonly Entry[]; readonly total: number }> {
    const { head, member } = await this.#options.access.readable(principal, conversationId)
    const range = visibleRange(head, member)
    const total = Math.max(0, range.to - range.from + 1)
    // Seqs are dense, so an offset is a seq: no rows are counted or skipped.
    const to = range.to - offset
    const from = Math.max(range.from, to - limit + 1)
    const entries: Entry[] = []
    for (let next = to; next >= from; ) {
      const slice = await this.#read(conversationId, from, next, 'backward', limit)
      if (slice.entries.length === 0) break
      entries.push(...[...slice.entries].reverse())
      next = (slice.entries[0] as Entry).seq - 1
    }
    return { entries, total }
  }

  /** One message by its id. Rejects `NOT_FOUND` when there is none that the caller may see. */
  async message(principal: Principal, msgId: string): Promise<Entry> {
    const entry = await this.#options.storage.findEntry(msgId)
    const found = entry === undefined ? undefined : await this.#options.storage.readMember(entry.conversationId, principal.userId)
    if (entry === undefined || found?.member === undefined || !canSee(found.member, entry.seq)) throw new ImError('NOT_FOUND')
    return entry
  }

  async #placeBefore(conversationId: string, query: HistoryQuery, newest: number): Promise<number> {
    if (query.beforeSeq !== undefined) return query.beforeSeq
    if (query.beforeTime !== undefined) return (await this.#options.storage.lastSeqBefore(conversationId, query.beforeTime)) + 1
    if (query.beforeId === undefined) return newest
    const entry = await this.#options.storage.findEntry(query.beforeId)
    if (entry?.conversationId !== conversationId)
      throw new ImError('NOT_FOUND', { detail: 'beforeId names no message of this conversation.' })
    return entry.seq
  }

  async #read(conversationId: string, from: number, to: number, direction: 'forward' | 'backward', limit: number): Promise<MessageSlice> {
    if (from > to) return { entries: [], more: false }
    return this.#options.pages.read({ conversationId, from, to, direction, limit })
  }

  async #page(principal: Principal, head: Head, floorSeq: number, slice: MessageSlice, epoch: number): Promise<EntryPage> {
    const page = { entries: slice.entries, hasMore: slice.more, floorSeq, epoch }
    if (head.chatType === 'group') return page
    const cursors = await this.#options.storage.readCursors(head.conversationId, MAX_RECEIPTS)
    return { ...page, receipts: cursors.filter((cursor) => cursor.userId !== principal.userId) }
  }
}
