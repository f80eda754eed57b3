import { type Clock, ImError, isErrorCode } from '@innerline/protocol'
import type { Message, TimelineItem } from '../api/message.js'
import { refOf } from '../conversation/ref.js'
import { present } from '../present.js'
import type { OutboxRecord } from '../store/store.js'
import { createTimer, type Timer } from '../timer.js'

/** One own message on its way. */
export interface Entry {
  record: OutboxRecord
  phase: 'queued' | 'sending' | 'failed'
  /** Why the last attempt did not settle it. */
  error?: ImError | undefined
  attempts: number
  /** While sending: the wait for an answer. While queued: a pause before the next attempt. */
  readonly timer: Timer
  readonly age: Timer
  /** What is shown; made anew after a change. */
  item?: TimelineItem | undefined
  resolve?(message: Message): void
  reject?(error: ImError): void
}

export const entryOf = (record: OutboxRecord, clock: Clock): Entry => {
  const { failed } = record
  return {
    record,
    attempts: 0,
    timer: createTimer(clock),
    age: createTimer(clock),
    ...(failed === undefined ? { phase: 'queued' } : { phase: 'failed', error: new ImError(isErrorCode(failed) ? failed : 'REJECTED') }),
  }
}

/** What is known of a message before it has its place in the log. */
export const contentOf = ({ msgId, conversationId, body, replyTo, mentions }: OutboxRecord, userId: string) => ({
  conversationId,
  chatType: refOf(conversationId, userId).chatType,
  msgId,
  fromUserId: userId,
  kind: 'message' as const,
  body,
  ...present({ replyTo, mentions }),
})

export function itemOf(entry: Entry, userId: string): TimelineItem {
  const { record, phase, error } = entry
  entry.item ??= { ...contentOf(record, userId), timestamp: record.createdAt, own: true, status: phase, ...present({ error }) }
  return entry.item
}

/** The frame's body; the same for every retry. */
export function sendBodyOf({ msgId, conversationId, body, replyTo, mentions }: OutboxRecord, userId: string): object {
  const { peerUserId: toUserId, groupId, sessionId } = refOf(conversationId, userId)
  // JSON leaves undefined fields out.
  return { msgId, toUserId, groupId, sessionId, body, replyTo, mentions }
}
