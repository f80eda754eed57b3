import type { ChatMessage } from '@innerline/protocol'

/** An entry as a log has it at `seq`. */
export const entry = (seq: number, more: Partial<ChatMessage> = {}): ChatMessage => ({
  conversationId: 'g~1',
  chatType: 'group',
  seq,
  ord: seq,
  msgId: `m${seq}`,
  fromUserId: 'bob',
  timestamp: seq,
  kind: 'message',
  body: { type: 'text', text: String(seq) },
  ...more,
})

export const range = (from: number, to: number): ChatMessage[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => entry(from + i))
