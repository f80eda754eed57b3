import { type ConversationSummary, directConversationId, ImError, type Summary } from '@innerline/protocol'
import type { Conversations, ConversationSnapshot } from '../api/conversation.js'
import { createCell } from '../observable.js'
import type { CallOptions } from '../api/readable.js'
import { sharing } from '../waiting.js'
import { createConversation } from './conversation.js'
import type { ConversationCore, ConversationPorts } from './core.js'

export interface Directory {
  readonly api: Conversations
  readonly cores: ReadonlyMap<string, ConversationCore>
  core(conversationId: string): ConversationCore
  /** The first page of the list. `attached`: as the server tells it after it has attached this connection. */
  summary(summary: Summary, attached: boolean): void
}

/** All conversations of a client: one object per id, the list ordered pinned first, then newest first. */
export function createDirectory(ports: Omit<ConversationPorts, 'changed'>, eager: boolean): Directory {
  const { report } = ports.events
  const cores = new Map<string, ConversationCore>()
  let total = 0
  let cursor: string | undefined

  const list = createCell(
    (): readonly ConversationSnapshot[] =>
      [...cores.values()]
        .map(({ api }) => api.getSnapshot())
        // Without a time nobody has told of it: it was opened by its id.
        .filter(({ headSeq, updatedAt, hidden }) => headSeq && updatedAt && !hidden)
        .sort((a, b) => +b.pinned - +a.pinned || b.updatedAt - a.updatedAt),
    report,
  )
  const totalUnread = createCell(() => total, report)
  const setTotal = (next: number) => {
    if (next === total) return
    total = Math.max(0, next)
    totalUnread.changed()
  }
  const changed = (unreadBy: number) => {
    list.changed()
    setTotal(total + unreadBy)
  }
  const core = (id: string): ConversationCore => {
    const known = cores.get(id) ?? createConversation(id, { ...ports, changed })
    cores.set(id, known)
    return known
  }
  /** Answers whom it named, with how much the server counts there. */
  const take = (items: readonly ConversationSummary[]) =>
    new Map(
      items.map((item) => {
        const one = core(item.conversationId)
        one.summary(item, true)
        if (eager && one.at === undefined) void one.api.open()
        return [one, item.unread]
      }),
    )
  const loadMore = sharing(async ({ signal }: CallOptions = {}) => {
    if (cursor !== undefined) {
      const options = { query: { cursor }, signal }
      const page = await ports.request<{ items: ConversationSummary[]; next?: string }>('GET', '/api/im/conversations', options)
      cursor = page.next
      take(page.items)
    }
    return { hasMore: cursor !== undefined }
  })
  const loadRest = (): unknown => cursor !== undefined && loadMore().then(loadRest, report)
  const api: Conversations = {
    ...list,
    totalUnread,
    get hasMore() {
      return cursor !== undefined
    },
    get: (id) => core(id).api,
    direct(userId) {
      const me = ports.userId()
      if (me === undefined) throw new ImError('OFFLINE', { detail: 'connect first, or give option userId' })
      return core(directConversationId(me, userId)).api
    },
    loadMore,
  }
  return {
    api,
    cores,
    core,
    summary({ conversations, next, totalUnread: unread }, attached) {
      cursor = next
      const named = take(conversations)
      // What came, began or was sent since the server read this is counted here alone. What it may hold back in further pages, there alone.
      for (const one of cores.values()) {
        const isNamed = named.has(one)
        if (isNamed || !next || !one.told) unread += one.api.getSnapshot().unread - (named.get(one) ?? 0)
        if (attached) one.resume(isNamed)
      }
      setTotal(unread)
      if (eager) loadRest()
    },
  }
}
