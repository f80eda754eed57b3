import type { Conversation, MemoryData } from '../../src/memory/data.js'
import type { Recorder } from './fleet.js'

/**
 * Holds what one connection was given against the log. Returns what is wrong with it; empty = nothing.
 *
 * Known to a connection is what a summary named or a message brought. Above that every seq must come once and
 * ascending, without a hole; only between the start of an attach and its summary may there be one, and then the
 * summary must cover it. In the end everything the user may see must be known.
 */
export function faultsOf(recorder: Recorder, data: MemoryData): readonly string[] {
  const faults: string[] = []
  const fault = (text: string): void => void faults.push(`${recorder.userId}@${recorder.node.nodeId.slice(-4)}: ${text}`)
  const known = new Map<string, number>()
  const covered = new Map<string, number>()
  const owedToSummary = new Map<string, number>()
  let attaching = true
  for (const seen of recorder.seen) {
    if (seen.kind === 'attach' || seen.kind === 'resync') attaching = true
    else if (seen.kind === 'summary') {
      attaching = false
      for (const [conversationId, head] of seen.heads) {
        known.set(conversationId, Math.max(known.get(conversationId) ?? 0, head))
        covered.set(conversationId, Math.max(covered.get(conversationId) ?? 0, head))
      }
      for (const [conversationId, seq] of owedToSummary) {
        if ((covered.get(conversationId) ?? 0) < seq) fault(`${conversationId}: no summary covers the hole up to ${seq}`)
      }
      owedToSummary.clear()
    } else {
      const { conversationId, seq } = seen
      const row = data.conversations.get(conversationId)?.members.get(recorder.userId)
      if (row === undefined) fault(`${conversationId}: got ${seq} without being a member`)
      const top = known.get(conversationId)
      if (top === undefined) {
        const first = row === undefined ? 1 : Math.max(row.visibleFrom, row.joinSeq, 1)
        if (seq > first && row?.leaveSeq === undefined) {
          if (attaching) owedToSummary.set(conversationId, seq - 1)
          else fault(`${conversationId}: began at ${seq} instead of ${first}`)
        }
      } else if (seq <= top) {
        if (seq > (covered.get(conversationId) ?? 0)) fault(`${conversationId}: got ${seq} after ${top}`)
      } else if (seq > top + 1) {
        if (attaching) owedToSummary.set(conversationId, seq - 1)
        else fault(`${conversationId}: got ${seq} after ${top}, a hole`)
      }
      known.set(conversationId, Math.max(top ?? 0, seq))
    }
  }
  if (attaching) fault('is still attaching')
  for (const [conversationId, conversation] of data.conversations) {
    const to = lastVisible(conversation, recorder.userId)
    const top = known.get(conversationId) ?? 0
    if (top < to) fault(`${conversationId}: knows ${top} of ${to}`)
    if (top > to) fault(`${conversationId}: knows ${top}, may see ${to}`)
  }
  return faults
}

/** The last seq the user may see; 0 = none. */
function lastVisible(conversation: Conversation, userId: string): number {
  const row = conversation.members.get(userId)
  if (row === undefined) return 0
  const to = Math.min(conversation.headSeq, row.leaveSeq ?? Number.MAX_SAFE_INTEGER)
  return to < Math.max(row.visibleFrom, conversation.lowSeq) ? 0 : to
}
