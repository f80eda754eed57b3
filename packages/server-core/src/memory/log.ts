import type { Clock } from '@innerline/protocol'
import type { Entry } from '../domain/entry.js'
import type { AppendBatch, AppendItem, AppendResult, CommittedMessage, LogStorage, MessageRange, MessageSlice } from '../ports/storage.js'
import { appendNow } from './append.js'
import { assertOpen, type MemoryContext } from './context.js'
import type { Conversation, MemoryData } from './data.js'
import { entryOf } from './views.js'

/** How long items wait for a held conversation when the batch does not say. */
const HELD_WAIT_MS = 10_000

/** Conversations' logs: appending, reading, retention. */
export function logStorage(context: MemoryContext): LogStorage {
  const { data } = context
  return {
    async appendMessages(batch) {
      assertOpen(context)
      const deadline = context.clock.monotonic() + (batch.waitMs ?? HELD_WAIT_MS)
      for (let lock = headLock(data, batch); lock !== undefined; lock = headLock(data, batch)) {
        const leftMs = deadline - context.clock.monotonic()
        if (leftMs <= 0) return appendFree(context, batch)
        await endOrDeadline(lock, context.clock, leftMs)
      }
      return appendNow(context, batch)
    },
    async findByMsgIds(msgIds) {
      assertOpen(context)
      const found = new Map<string, CommittedMessage>()
      for (const msgId of msgIds) {
        const entry = data.byMsgId.get(msgId)
        if (entry === undefined) continue
        const { seq, ord, timestamp, fromUserId, hash } = entry
        found.set(msgId, { conversationId: entry.conversation.conversationId, seq, ord, timestamp, fromUserId, hash })
      }
      return found
    },
    async readMessages(range) {
      assertOpen(context)
      const conversation = data.conversations.get(range.conversationId)
      return conversation === undefined ? { entries: [], more: false } : slice(conversation, range)
    },
    async findEntry(msgId) {
      assertOpen(context)
      const entry = data.byMsgId.get(msgId)
      return entry && entryOf(entry)
    },
    async lastSeqBefore(conversationId, time) {
      assertOpen(context)
      const conversation = data.conversations.get(conversationId)
      return conversation === undefined ? 0 : lastSeqBefore(conversation, time)
    },
    async expireMessages({ before, limit }) {
      assertOpen(context)
      let expired = 0
      for (const conversation of data.conversations.values()) {
        const old = countExpired(conversation, before)
        const take = Math.min(old, limit - expired)
        if (take > 0) dropOldest(data, conversation, take)
        expired += take
        if (take < old) return { expired, more: true }
      }
      return { expired, more: false }
    },
  }
}

/** Appends what no held transaction has; its own conversations' items are answered `held`. */
function appendFree(context: MemoryContext, batch: AppendBatch): readonly AppendResult[] {
  const isHeld = ({ conversationId }: AppendItem): boolean => context.data.heldHeads.has(conversationId)
  const answers = appendNow(context, { ...batch, items: batch.items.filter((item) => !isHeld(item)) })[Symbol.iterator]()
  return batch.items.map((item) => (isHeld(item) ? held : (answers.next().value as AppendResult)))
}

const held: AppendResult = {
  ok: false,
  code: 'BUSY',
  detail: 'Another transaction keeps this conversation locked.',
  retryAfterMs: 1_000,
  held: true,
}

function endOrDeadline(lock: Promise<void>, clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve)
    void lock.then(() => {
      cancel()
      resolve()
    })
  })
}

/**
 * What to wait for, as for a row lock, while a held transaction has one of the batch's heads. Asked again after each
 * wait, in one synchronous step with what follows: another waiter may have been quicker.
 */
export function headLock(data: MemoryData, batch: AppendBatch): Promise<void> | undefined {
  if (data.heldHeads.size === 0) return undefined
  for (const { conversationId } of batch.items) {
    const held = data.heldHeads.get(conversationId)
    if (held !== undefined) return held
  }
  return undefined
}

function slice(conversation: Conversation, range: MessageRange): MessageSlice {
  const from = Math.max(range.from, conversation.lowSeq)
  const to = Math.min(range.to, conversation.headSeq)
  const step = range.direction === 'forward' ? 1 : -1
  const entries: Entry[] = []
  let seq = step === 1 ? from : to
  let bytes = 0
  while (seq >= from && seq <= to && entries.length < range.limit) {
    const entry = conversation.at(seq)
    if (entry === undefined) break
    bytes += Buffer.byteLength(entry.bodyJson)
    if (bytes > range.maxBytes && entries.length > 0) break
    entries.push(entryOf(entry))
    seq += step
  }
  if (step === -1) entries.reverse()
  return { entries, more: seq >= from && seq <= to }
}

function lastSeqBefore(conversation: Conversation, time: number): number {
  // Timestamps never fall within a log, so the border can be searched for.
  let low = 0
  let high = conversation.entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((conversation.entries[middle]?.timestamp ?? 0) < time) low = middle + 1
    else high = middle
  }
  return low === 0 ? 0 : conversation.lowSeq + low - 1
}

function countExpired(conversation: Conversation, before: number): number {
  const last = lastSeqBefore(conversation, before)
  // The newest entry stays, so that a conversation never loses its place in the list.
  return last === 0 ? 0 : Math.min(last, conversation.headSeq - 1) - conversation.lowSeq + 1
}

function dropOldest(data: MemoryData, conversation: Conversation, count: number): void {
  conversation.lowOrd = conversation.ordAt(conversation.lowSeq + count - 1)
  conversation.lowSeq += count
  for (const entry of conversation.entries.splice(0, count)) {
    data.byMsgId.delete(entry.msgId)
    if (entry !== conversation.last) continue
    conversation.last = undefined
    conversation.lastPreview = ''
  }
}
