import { ImError, parseConversationId, directConversationId, groupConversationId, serviceConversationId } from '@innerline/protocol'
import { userChannel } from '../domain/change.js'
import type { Head } from '../domain/entry.js'
import type { Member } from '../domain/member.js'
import { refusalToSend } from '../domain/send-rights.js'
import type { Clock, Principal, Storage, UserDirectory } from '../ports/index.js'

export interface SendTarget {
  readonly toUserId?: string | undefined
  readonly groupId?: string | undefined
  readonly sessionId?: string | undefined
  readonly conversationId?: string | undefined
}

/** What a node already knows of a member without asking Storage; see delivery/member-index. */
export interface KnownMembers {
  /** The memberVersion at which the user was seen as a present member; undefined when this node cannot say yes. */
  presentAt(conversationId: string, userId: string): number | undefined
}

export interface AccessOptions {
  readonly storage: Storage
  readonly known: KnownMembers
  readonly directory: UserDirectory | undefined
  readonly clock: Clock
  readonly nodeId: string
}

/** The id a send is for. Throws `INVALID_REQUEST` for a chat with oneself. */
export function targetOf(principal: Principal, target: SendTarget): string {
  const id =
    target.toUserId !== undefined
      ? directConversationId(principal.userId, target.toUserId)
      : target.groupId !== undefined
        ? groupConversationId(target.groupId)
        : target.sessionId !== undefined
          ? serviceConversationId(target.sessionId)
          : (target.conversationId as string)
  const ref = parseConversationId(id)
  if (ref?.chatType === 'direct' && ref.userIds[0] === ref.userIds[1]) {
    throw new ImError('INVALID_REQUEST', { detail: 'A direct chat needs two different users.' })
  }
  return id
}

/** Who may see and who may write, always decided from Storage; only a yes may come from what the node knows. */
export class ConversationAccess {
  readonly #options: AccessOptions

  constructor(options: AccessOptions) {
    this.#options = options
  }

  /**
   * The memberVersion at which the sender may write. Opens a direct conversation on its first message.
   * Rejects `NOT_FOUND`, `NOT_MEMBER`, `SESSION_CLOSED` … from a fresh read.
   */
  authoriseSend(principal: Principal, conversationId: string): number | Promise<number> {
    return this.#options.known.presentAt(conversationId, principal.userId) ?? this.#authoriseFresh(principal, conversationId)
  }

  /**
   * Head and row of a member, past ones included.
   * Rejects `NOT_FOUND` for strangers too, so that ids cannot be probed.
   */
  async readable(principal: Principal, conversationId: string): Promise<{ readonly head: Head; readonly member: Member }> {
    const found = await this.#options.storage.readMember(conversationId, principal.userId)
    if (found?.member === undefined) throw new ImError('NOT_FOUND', { detail: 'There is no such conversation, or you are not in it.' })
    return { head: found.head, member: found.member }
  }

  async #authoriseFresh(principal: Principal, conversationId: string): Promise<number> {
    const found = await this.#options.storage.readMember(conversationId, principal.userId)
    if (found === undefined) return this.#openDirect(principal, conversationId)
    const refusal = refusalToSend(found.head, found.member)
    if (refusal !== undefined) throw new ImError(refusal)
    return found.head.memberVersion
  }

  async #openDirect(principal: Principal, conversationId: string): Promise<number> {
    const { storage, directory, clock, nodeId } = this.#options
    const ref = parseConversationId(conversationId)
    if (ref?.chatType !== 'direct') throw new ImError('NOT_FOUND')
    if (!ref.userIds.includes(principal.userId)) throw new ImError('NOT_MEMBER')
    const peer = ref.userIds[0] === principal.userId ? ref.userIds[1] : ref.userIds[0]
    // Asked only once per pair: a typing error must not make a conversation with nobody.
    if (directory !== undefined && (await directory.profiles([peer])).length === 0) {
      throw new ImError('NOT_FOUND', { detail: 'There is no such user.' })
    }
    const head = await storage.openConversation({ conversationId, chatType: 'direct', userIds: ref.userIds, nodeId, now: clock.now() })
    return head.memberVersion
  }
}

/** The bus channels whose listeners must hear of a change in the conversation. */
export function channelsOf(conversationId: string): readonly string[] {
  const ref = parseConversationId(conversationId)
  if (ref?.chatType === 'direct') return ref.userIds.map(userChannel)
  // Groups and service sessions route by their own id; their members' nodes join it.
  return [`group:${conversationId.slice(2)}`]
}
