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

/** Rights kept at most; beyond it the one longest known is forgotten and read again when needed. */
const MAX_GRANTS = 50_000

/** Who may see and who may write, always decided from Storage; only a yes may come from what the node knows. */
export class ConversationAccess {
  readonly #options: AccessOptions
  /**
   * memberVersion at which Storage has said that a sender may write. Being a present member is not enough to know it:
   * the conversation may be closed. The version moves with everything that decides it.
   */
  readonly #grants = new Map<string, number>()

  constructor(options: AccessOptions) {
    this.#options = options
  }

  /**
   * The memberVersion at which the sender may write. Opens a direct conversation on its first message.
   * Rejects `NOT_FOUND`, `NOT_MEMBER`, `SESSION_CLOSED` … from a fresh read.
   */
  authoriseSend(principal: Principal, conversationId: string): number | Promise<number> {
    const version = this.#options.known.presentAt(conversationId, principal.userId)
    if (version !== undefined && this.#grants.get(grantOf(principal, conversationId)) === version) return version
    return this.#authoriseFresh(principal, conversationId)
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
    this.#grant(principal, conversationId, found.head.memberVersion)
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

  #grant(principal: Principal, conversationId: string, memberVersion: number): void {
    const key = grantOf(principal, conversationId)
    this.#grants.delete(key)
    this.#grants.set(key, memberVersion)
    if (this.#grants.size > MAX_GRANTS) this.#grants.delete(this.#grants.keys().next().value as string)
  }
}

const grantOf = (principal: Principal, conversationId: string): string => `${principal.userId} ${conversationId}`

/** The bus channels whose listeners must hear of a change in the conversation. */
export function channelsOf(conversationId: string): readonly string[] {
  const ref = parseConversationId(conversationId)
  if (ref?.chatType === 'direct') return ref.userIds.map(userChannel)
  // Groups and service sessions route by their own id; their members' nodes join it.
  return [`group:${conversationId.slice(2)}`]
}
