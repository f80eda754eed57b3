import { type ChatType, type ConversationSummary, PAGE, parseConversationId, type Summary } from '@innerline/protocol'
import { unreadOf, visibleRange } from '../domain/member.js'
import type { Clock, ConversationStorage, Logger, Principal, SummaryRow, UserDirectory } from '../ports/index.js'
import { withDeadline } from './hooks.js'

const SUMMARY_CONVERSATIONS = 100
const DIRECTORY_MS = 2_000

export interface ListConversationsOptions {
  readonly storage: ConversationStorage
  readonly directory: UserDirectory | undefined
  readonly epoch: () => number
  readonly clock: Clock
  readonly logger: Logger
}

/** The use cases "what has happened while I was away" and "my conversations". */
export class ListConversations {
  readonly #options: ListConversationsOptions

  constructor(options: ListConversationsOptions) {
    this.#options = options
  }

  /** The newest 100 conversations with positions and unread, and the total: what a client gets on connect. */
  async summary(userId: string): Promise<Summary> {
    // Asked before the read: positions of an old epoch under a new one's number would hide what the new one has there.
    const epoch = this.#options.epoch()
    const page = await this.#options.storage.summaries(userId, { limit: SUMMARY_CONVERSATIONS })
    const conversations = await this.#present(userId, page.items)
    const { next, totalUnread } = page
    return { epoch, conversations, ...(next === undefined ? {} : { next }), totalUnread }
  }

  /** A page of conversations, newest first. */
  async page(
    principal: Principal,
    query: { readonly cursor?: string | undefined; readonly limit?: number | undefined; readonly chatType?: ChatType | undefined },
  ): Promise<{ readonly items: readonly ConversationSummary[]; readonly next?: string }> {
    const page = await this.#options.storage.summaries(principal.userId, { ...query, limit: query.limit ?? PAGE.default })
    const items = await this.#present(principal.userId, page.items)
    return page.next === undefined ? { items } : { items, next: page.next }
  }

  async #present(userId: string, rows: readonly SummaryRow[]): Promise<readonly ConversationSummary[]> {
    const peers = rows.map((row) => peerOf(userId, row.head.conversationId)).filter((peer) => peer !== undefined)
    const names = peers.length === 0 ? new Map<string, string>() : await this.#namesOf(peers)
    return rows.map((row) => summaryOf(userId, row, names))
  }

  /** Names are an ornament: a host's directory that fails or hangs must keep nobody from their messages. */
  async #namesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { directory, clock, logger } = this.#options
    if (directory === undefined) return new Map()
    try {
      const asked = Promise.resolve(directory.profiles(userIds))
      const profiles = await withDeadline(clock, DIRECTORY_MS, asked)
      return new Map(profiles.map((profile) => [profile.userId, profile.displayName]))
    } catch (error) {
      logger.warn({ err: error }, 'the directory does not answer; conversations are listed without names')
      return new Map()
    }
  }
}

function peerOf(userId: string, conversationId: string): string | undefined {
  const ref = parseConversationId(conversationId)
  if (ref?.chatType !== 'direct') return undefined
  return ref.userIds[0] === userId ? ref.userIds[1] : ref.userIds[0]
}

function summaryOf(userId: string, { head, member }: SummaryRow, names: ReadonlyMap<string, string>): ConversationSummary {
  const ref = parseConversationId(head.conversationId)
  const peerUserId = peerOf(userId, head.conversationId)
  const title = peerUserId === undefined ? undefined : names.get(peerUserId)
  const range = visibleRange(head, member)
  return {
    conversationId: head.conversationId,
    chatType: head.chatType,
    ...(title === undefined ? {} : { title }),
    ...(peerUserId === undefined ? {} : { peerUserId }),
    ...(ref?.chatType === 'group' ? { groupId: ref.groupId } : {}),
    ...(ref?.chatType === 'service' ? { sessionId: ref.sessionId } : {}),
    headSeq: range.to,
    headOrd: Math.min(head.headOrd, member.leaveOrd ?? Number.MAX_SAFE_INTEGER),
    deliveredSeq: member.deliveredSeq,
    readSeq: member.readSeq,
    joinSeq: member.joinSeq,
    ...(member.leaveSeq === undefined ? {} : { leaveSeq: member.leaveSeq }),
    floorSeq: range.from,
    unread: unreadOf(head, member),
    mentionSeq: member.mentionSeq,
    ...(member.mutedUntil === undefined ? {} : { mutedUntil: member.mutedUntil }),
    pinned: member.pinned,
    hidden: member.hidden,
    ...(head.last === undefined ? {} : { lastMessage: head.last }),
    updatedAt: head.updatedAt,
  }
}
