import type { Cancel, ImError } from '@innerline/protocol'
import type { Message, TimelineItem } from '../api/message.js'
import { refOf } from '../conversation/ref.js'
import type { OutboxRecord } from '../store/store.js'

/** One own message on its way. */
export interface Entry {
  record: OutboxRecord
  phase: 'queued' | 'sending' | 'failed'
  /** Why the last attempt did not settle it. */
  error: ImError | undefined
  attempts: number
  /**
   * Waits for its timer. Not a time to compare with: timers of some runtimes fire a fraction of a ms early, and an entry found too
   * early by its own timer would wait for ever.
   */
  blocked: boolean
  cancelTimer: Cancel
  cancelAge: Cancel
  /** What is shown; made anew after a change. */
  item: TimelineItem | undefined
  resolve(message: Message): void
  reject(error: ImError): void
}

const nothing = () => {}

export const entryOf = (record: OutboxRecord): Entry => ({
  record,
  phase: 'queued',
  error: undefined,
  attempts: 0,
  blocked: false,
  cancelTimer: nothing,
  cancelAge: nothing,
  item: undefined,
  resolve: nothing,
  reject: nothing,
})

const common = ({ msgId, conversationId, body, replyTo, mentions }: OutboxRecord, userId: string) => ({
  conversationId,
  chatType: refOf(conversationId, userId).chatType,
  msgId,
  fromUserId: userId,
  kind: 'message' as const,
  body,
  ...(replyTo === undefined ? {} : { replyTo }),
  ...(mentions === undefined ? {} : { mentions }),
})

export function itemOf(entry: Entry, userId: string): TimelineItem {
  const { record, phase, error } = entry
  entry.item ??= { ...common(record, userId), timestamp: record.createdAt, own: true, status: phase, ...(error ? { error } : {}) }
  return entry.item
}

/** The message as the server's receipt says it was committed. */
export const messageOf = (record: OutboxRecord, userId: string, seq: number, ord: number, timestamp: number): Message => ({
  ...common(record, userId),
  seq,
  ord,
  timestamp,
})

/** The frame's body; the same for every retry. */
export function sendBodyOf({ msgId, conversationId, body, replyTo, mentions }: OutboxRecord, userId: string): object {
  const { peerUserId: toUserId, groupId, sessionId } = refOf(conversationId, userId)
  // JSON leaves undefined fields out.
  return { msgId, toUserId, groupId, sessionId, body, replyTo, mentions }
}
