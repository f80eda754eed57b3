import type { ChatMessage, ImError } from '@innerline/protocol'

/** One confirmed entry of a conversation's log. */
export type Message = ChatMessage

/**
 * `queued` waits in the outbox, `sending` was written to a socket and is not settled yet, `sent` is committed by the server, `delivered`
 * and `read` say that a peer's device has it or a peer has read it (in groups: at least one peer), `failed` was refused or given up.
 */
export type MessageStatus = 'queued' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed'

/** What a timeline shows: a confirmed entry, or an own message that is not confirmed yet (no `seq`). */
export interface TimelineItem extends Omit<ChatMessage, 'seq' | 'ord'> {
  /** Absent until the server has confirmed the message. Items with `seq` ascend by it; those without come last. */
  readonly seq?: number
  readonly ord?: number
  /** Server time in epoch ms; local time while there is no `seq`. Never an order. */
  readonly timestamp: number
  /** Whether this client's user sent it. */
  readonly own: boolean
  /** Own messages only. */
  readonly status?: MessageStatus
  /** Why the last attempt failed, with status `failed` (and with `queued` while it is being retried). */
  readonly error?: ImError
}

/** The answer of `send()`: a promise that is safe to ignore, with what a page shows at once. */
export interface Sending extends Promise<Message> {
  /** The item as the timeline shows it now. */
  readonly local: TimelineItem
  /** Takes the message back if it was never written to a socket: true, and the promise rejects with `CANCELLED`. Else false. */
  cancel(): boolean
}

export interface SendOptions {
  /** UUID v4 or v7, the idempotency key. Default: a fresh v7. */
  readonly msgId?: string | undefined
  /** The msgId answered to. */
  readonly replyTo?: string | undefined
  /** ≤ 50 user ids, or `['*']` for all. */
  readonly mentions?: readonly string[] | undefined
}
