import { type Clock, ImError, isErrorCode } from '@innerline/protocol'
import type { Message, TimelineItem } from '../api/message.js'
import { refOf } from '../conversation/ref.js'
import { present } from '../present.js'
import type { OutboxRecord } from '../store/store.js'
import { createTimer, type Timer } from '../timer.js'
import { type EntryState, expired } from './lifecycle.js'

/** One own message on its way. */
export interface Entry {
  record: OutboxRecord
  state: EntryState
  /** While sending: the wait for an answer. While resting: the pause. */
  readonly timer: Timer
  readonly age: Timer
  /** What is shown; made anew after a change. */
  item?: TimelineItem | undefined
  resolve?(message: Message): void
  reject?(error: ImError): void
}

export function entryOf(record: OutboxRecord, clock: Clock): Entry {
  const { failed, written } = record
  const error = failed === 'EXPIRED' ? expired(written) : failed && new ImError(isErrorCode(failed) ? failed : 'REJECTED')
  const state: EntryState = { phase: error ? 'failed' : 'queued', written, attempts: 0, error: error || undefined }
  return { record, state, timer: createTimer(clock), age: createTimer(clock) }
}

/** The entry as it is to be stored. */
export function recordOf({ record, state: { phase, written, error } }: Entry): OutboxRecord {
  // Written down before it is written out: after a crash it must be known that somebody may have it.
  return { ...record, written: written || phase === 'noting', ...present({ failed: phase === 'failed' ? error?.code : undefined }) }
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
  const { record, state } = entry
  const { phase, error } = state
  const status = phase === 'sending' ? phase : phase === 'failed' || phase === 'gone' ? 'failed' : 'queued'
  entry.item ??= { ...contentOf(record, userId), timestamp: record.createdAt, own: true, status, ...present({ error }) }
  return entry.item
}

/** The frame's body; the same for every retry. */
export function sendBodyOf({ msgId, conversationId, body, replyTo, mentions }: OutboxRecord, userId: string): object {
  const { peerUserId: toUserId, groupId, sessionId } = refOf(conversationId, userId)
  // JSON leaves undefined fields out.
  return { msgId, toUserId, groupId, sessionId, body, replyTo, mentions }
}
