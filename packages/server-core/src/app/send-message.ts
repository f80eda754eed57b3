import { ImError, isImError, type SendableBody, type SentMessage } from '@innerline/protocol'
import { fingerprint } from '../domain/fingerprint.js'
import { previewOf } from '../domain/preview.js'
import type {
  AppendItem,
  AppendResult,
  Clock,
  Ids,
  Logger,
  Principal,
  RateDecision,
  RateLimiter,
  RateRule,
  Storage,
} from '../ports/index.js'
import type { AppendLaneOptions, AppendLanes } from './append-lanes.js'
import { channelsOf, type ConversationAccess, targetOf } from './conversation-access.js'
import { type BeforeSendPolicy, type Hooks, runBeforeSend } from './hooks.js'
import type { LaneOrder } from './lane-order.js'
import type { ValidSendRequest } from './requests.js'

export interface SendMessageOptions {
  readonly storage: Storage
  readonly lanes: AppendLanes
  readonly access: ConversationAccess
  readonly limiter: RateLimiter
  readonly sendRule: RateRule
  readonly bodyBytes: number
  readonly hooks: Hooks
  readonly beforeSend: BeforeSendPolicy
  readonly clock: Clock
  readonly ids: Ids
  readonly logger: Logger
  readonly nodeId: string
  /** Called for what a host's transaction has committed, as the lanes do for theirs. */
  readonly onCommitted: AppendLaneOptions['onCommitted']
}

export interface SendOptions {
  /** The host itself sends: no rate limit. Hooks and rights hold for it too. */
  readonly trusted: boolean
}

/** A message that the host's transaction carries. Its seq is kept from others until that transaction ends. */
export interface SentInTransaction extends SentMessage {
  /** Nothing is promised before the host's own commit. */
  readonly committed: false
  /**
   * Delivers it at once; to be called after the commit. Never rejects. Without it, or when it is called too early, the
   * change feed delivers the message, within 2 s.
   */
  announce(): Promise<void>
}

const granted = { ok: true } as const

/** What may be stored, or the answer that was given before. */
type Admission = { readonly memberVersion: number; readonly body: SendableBody } | { readonly sent: SentMessage }

interface Draft {
  readonly msgId: string
  readonly conversationId: string
  readonly hash: string
}

/** The use case "send": everything between a well-formed request and the answer that it is committed. */
export class SendMessage {
  readonly #options: SendMessageOptions

  constructor(options: SendMessageOptions) {
    this.#options = options
  }

  /**
   * Stores a message and resolves when it is committed. `order`, one per connection, keeps its sends to one
   * conversation in arrival order whatever a check or hook takes. The same msgId with the same content gives the first answer
   * with `duplicate: true`, also when the sender has meanwhile been limited, muted or removed.
   * Rejects with ImError: final codes settle it; `BUSY`, `UNAVAILABLE`, `RATE_LIMITED` leave it open to a retry.
   */
  async execute(principal: Principal, request: ValidSendRequest, order?: LaneOrder, options?: SendOptions): Promise<SentMessage> {
    const { lanes } = this.#options
    const bodyJson = this.#bodyOf(request)
    const conversationId = targetOf(principal, request)
    const place = order?.enter(conversationId)
    try {
      const { body } = request
      const draft = this.#draft(request, conversationId)
      const admission = this.#admit(principal, request, draft, options?.trusted === true)
      const admitted = admission instanceof Promise ? await admission : admission
      if ('sent' in admitted) return admitted.sent
      const stored = admitted.body === body ? bodyJson : JSON.stringify(admitted.body)
      if (place?.waits === true) await place.turn
      const appended = lanes.append(itemOf(principal, request, draft, admitted, stored))
      place?.leave()
      return answer(draft, await appended)
    } finally {
      place?.leave()
    }
  }

  /**
   * As `execute` for the host itself, inside a transaction that the host has begun. Nothing is limited, committed or
   * delivered. Rejects `UNSUPPORTED` where the storage knows no such transactions, `STATE_CONFLICT` for a conversation
   * that has not been opened, `BUSY` when its lock was not given; after `UNAVAILABLE` the transaction must be run again.
   */
  async executeInTransaction(principal: Principal, request: ValidSendRequest, tx: unknown): Promise<SentInTransaction> {
    const { storage, clock, nodeId } = this.#options
    if (storage.appendInTransaction === undefined) {
      throw new ImError('UNSUPPORTED', { detail: 'This storage takes no part in the host’s transactions.' })
    }
    const bodyJson = this.#bodyOf(request)
    const draft = this.#draft(request, targetOf(principal, request))
    const admitted = await this.#admit(principal, request, draft, true)
    if ('sent' in admitted) return { ...admitted.sent, committed: false, announce: async () => undefined }
    const item = itemOf(principal, request, draft, admitted, admitted.body === request.body ? bodyJson : JSON.stringify(admitted.body))
    const [result] = (await storage.appendInTransaction(tx, { nodeId, now: clock.now(), items: [item] })) as [AppendResult]
    return { ...answer(draft, result), committed: false, announce: () => this.#announce(item, result) }
  }

  /** Only what is committed is told of: the host may call too early, or after a rollback. */
  async #announce(item: AppendItem, result: AppendResult): Promise<void> {
    const { storage, clock, logger, onCommitted } = this.#options
    if (!result.ok || result.duplicate) return
    try {
      const committed = (await storage.findByMsgIds([item.msgId])).get(item.msgId)
      if (committed?.seq === result.seq && committed.timestamp === result.timestamp) onCommitted([item], [result], clock.now())
    } catch (error) {
      logger.warn({ err: error, msgId: item.msgId }, 'a message of the host could not be announced; the change feed delivers it')
    }
  }

  #bodyOf(request: ValidSendRequest): string {
    const bodyJson = JSON.stringify(request.body)
    if (Buffer.byteLength(bodyJson) > this.#options.bodyBytes) {
      throw new ImError('TOO_LARGE', { detail: `A body may have ${this.#options.bodyBytes} bytes of JSON.` })
    }
    return bodyJson
  }

  #draft({ msgId = this.#options.ids.uuid(), body, replyTo, mentions }: ValidSendRequest, conversationId: string): Draft {
    return { msgId, conversationId, hash: fingerprint({ kind: 'message', conversationId, body, replyTo, mentions }) }
  }

  /** Rights, limits and hook; without a wait where the node knows the member, counts by itself and there is no hook. */
  #admit(principal: Principal, request: ValidSendRequest, draft: Draft, trusted: boolean): Admission | Promise<Admission> {
    const { access, hooks } = this.#options
    const right = access.authoriseSend(principal, draft.conversationId)
    if (typeof right !== 'number') return this.#admitLater(principal, request, draft, right, () => this.#take(principal, trusted))
    const taken = this.#take(principal, trusted)
    const now = !(taken instanceof Promise) && taken.ok && hooks.beforeSend === undefined
    return now
      ? { memberVersion: right, body: request.body as SendableBody }
      : this.#admitLater(principal, request, draft, right, () => taken)
  }

  #take(principal: Principal, trusted: boolean): RateDecision | Promise<RateDecision> {
    return trusted ? granted : this.#options.limiter.take(`send:${principal.userId}`, this.#options.sendRule)
  }

  /** A refusal stands only if the message is not already committed (DESIGN §4). */
  async #admitLater(
    principal: Principal,
    request: ValidSendRequest,
    draft: Draft,
    right: number | Promise<number>,
    take: () => RateDecision | Promise<RateDecision>,
  ): Promise<Admission> {
    const { sendRule, hooks } = this.#options
    try {
      const memberVersion = await right
      const decision = await take()
      if (!decision.ok) {
        throw new ImError('RATE_LIMITED', {
          detail: `At most ${sendRule.perSecond} messages a second.`,
          retryAfterMs: decision.retryAfterMs,
        })
      }
      if (hooks.beforeSend === undefined) return { memberVersion, body: request.body as SendableBody }
      const message = {
        conversationId: draft.conversationId,
        msgId: draft.msgId,
        body: request.body as SendableBody,
        replyTo: request.replyTo,
        mentions: request.mentions,
      }
      return { memberVersion, body: await runBeforeSend(hooks.beforeSend, this.#options.beforeSend, message, principal, this.#options) }
    } catch (error) {
      if (!isImError(error) || error.code === 'BUSY' || error.code === 'UNAVAILABLE' || request.msgId === undefined) throw error
      const sent = await this.#alreadySent(principal, draft)
      if (sent === undefined) throw error
      return { sent }
    }
  }

  async #alreadySent(principal: Principal, draft: Draft): Promise<SentMessage | undefined> {
    const committed = (await this.#options.storage.findByMsgIds([draft.msgId])).get(draft.msgId)
    if (committed === undefined || committed.fromUserId !== principal.userId || committed.hash !== draft.hash) return undefined
    const { seq, ord, timestamp } = committed
    return { msgId: draft.msgId, conversationId: draft.conversationId, seq, ord, timestamp, duplicate: true }
  }
}

function itemOf(
  principal: Principal,
  { replyTo, mentions }: ValidSendRequest,
  { msgId, conversationId, hash }: Draft,
  admitted: { readonly memberVersion: number; readonly body: SendableBody },
  bodyJson: string,
): AppendItem {
  return {
    conversationId,
    msgId,
    fromUserId: principal.userId,
    kind: 'message',
    countable: true,
    hash,
    bodyJson,
    preview: previewOf(admitted.body),
    replyTo,
    mentions,
    checkedAt: admitted.memberVersion,
    channels: channelsOf(conversationId),
  }
}

function answer(draft: Draft, result: AppendResult): SentMessage {
  if (!result.ok) throw new ImError(result.code, { detail: result.detail, retryAfterMs: result.retryAfterMs })
  const { seq, ord, timestamp, duplicate } = result
  return { msgId: draft.msgId, conversationId: draft.conversationId, seq, ord, timestamp, duplicate }
}
