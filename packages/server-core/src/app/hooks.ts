import { ImError, isImError, type SendableBody } from '@innerline/protocol'
import type { Clock, Logger, Principal } from '../ports/index.js'

/** A message on its way in, as a `beforeSend` hook sees it. */
export interface OutgoingMessage {
  readonly conversationId: string
  readonly msgId: string
  readonly body: SendableBody
  readonly replyTo?: string | undefined
  readonly mentions?: readonly string[] | undefined
}

/** A message that has been committed by this node. Runs after the answer was decided; a throw is logged. */
export interface CommittedEvent {
  readonly conversationId: string
  readonly seq: number
  readonly ord: number
  readonly msgId: string
  readonly fromUserId: string
  readonly timestamp: number
}

export interface ConnectionEvent {
  readonly connectionId: string
  readonly principal: Principal
}

/** The host's hooks. */
export interface Hooks {
  /**
   * Before a message is stored: return nothing to let it pass, `{body}` to store another body, or throw an
   * ImError (`REJECTED` for anything else the hook throws with a `reject: true` property) to refuse it. A retry runs
   * it again, but what is committed already is never refused.
   */
  beforeSend?: (
    message: OutgoingMessage,
    principal: Principal,
  ) => undefined | { body: SendableBody } | Promise<undefined | { body: SendableBody }>
  afterCommit?: (event: CommittedEvent) => void | Promise<void>
  onConnect?: (event: ConnectionEvent) => void
  onDisconnect?: (event: ConnectionEvent & { readonly code: number; readonly reason: string }) => void
}

export interface BeforeSendPolicy {
  /** What a hook that throws something unexpected, or is late, means: the message passes (`open`) or waits (`closed`: `UNAVAILABLE`). */
  readonly onFailure: 'open' | 'closed'
  readonly deadlineMs: number
}

/**
 * Runs `beforeSend` within its deadline. Returns the body to store.
 * Rejects with the hook's own ImError, or `UNAVAILABLE` when it failed or was late under `closed`.
 */
export async function runBeforeSend(
  hook: NonNullable<Hooks['beforeSend']>,
  policy: BeforeSendPolicy,
  message: OutgoingMessage,
  principal: Principal,
  context: { readonly clock: Clock; readonly logger: Logger },
): Promise<SendableBody> {
  try {
    const verdict = await withDeadline(context.clock, policy.deadlineMs, Promise.resolve(hook(message, principal)))
    return verdict?.body ?? message.body
  } catch (error) {
    if (isImError(error)) throw error
    // Its message is the host's own wording and may name anything.
    if (isRejection(error)) throw new ImError('REJECTED', { cause: error })
    context.logger.error({ err: error, conversationId: message.conversationId, msgId: message.msgId }, 'beforeSend failed')
    if (policy.onFailure === 'open') return message.body
    throw new ImError('UNAVAILABLE', { detail: 'A check before sending does not answer.', retryAfterMs: 1_000, cause: error })
  }
}

const isRejection = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && (error as { readonly reject?: unknown }).reject === true

/** Settles as `promise` does, or rejects after `ms`. The promise's later rejection stays handled. */
export function withDeadline<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)))
    promise.then(
      (value) => {
        cancel()
        resolve(value)
      },
      (error: unknown) => {
        cancel()
        reject(error)
      },
    )
  })
}
