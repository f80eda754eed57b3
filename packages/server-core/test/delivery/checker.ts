import type { Head } from '../../src/domain/entry.js'
import type { Member } from '../../src/domain/member.js'
import type { Recorder } from './fleet.js'

/** A conversation as it is stored in the end. */
export interface ConversationView {
  readonly head: Head
  readonly members: ReadonlyMap<string, Member>
}

/** What a user could see of a conversation over time, by `conversationId userId`. Absent = the member's row says it. */
export type Spans = ReadonlyMap<string, readonly { readonly from: number; readonly to: number }[]>

/**
 * Holds what one connection was given against the log. Returns what is wrong with it; empty = nothing.
 *
 * Known to a connection is what a summary named or a message brought. Above that every seq must come once and
 * ascending, without a hole; only between the start of an attach and its summary may there be one, and then the
 * summary must cover it. In the end everything the user may see must be known.
 */
export function faultsOf(recorder: Recorder, view: ReadonlyMap<string, ConversationView>, spans: Spans): readonly string[] {
  const { userId } = recorder
  const faults: string[] = []
  const fault = (text: string): void => void faults.push(`${userId}@${recorder.node.nodeId.slice(-4)}: ${text}`)
  const known = new Map<string, number>()
  const covered = new Map<string, number>()
  const owedToSummary = new Map<string, number>()
  let attempts = 0
  /** The attempt that has to succeed before nothing may be missed any more. */
  let needed = 0
  let attaching = true
  for (const seen of recorder.seen) {
    if (seen.kind === 'attach') attempts = seen.attempt + 1
    else if (seen.kind === 'resync' || seen.kind === 'refused') {
      needed = seen.kind === 'resync' ? attempts : seen.attempt + 1
      attaching = true
    } else if (seen.kind === 'attached') {
      if (seen.attempt < needed) continue
      attaching = false
      for (const [conversationId, seq] of owedToSummary) {
        if ((covered.get(conversationId) ?? 0) < seq) fault(`${conversationId}: no summary covers the hole up to ${seq}`)
      }
      owedToSummary.clear()
    } else if (seen.kind === 'summary') {
      for (const [conversationId, head] of seen.heads) {
        known.set(conversationId, Math.max(known.get(conversationId) ?? 0, head))
        covered.set(conversationId, Math.max(covered.get(conversationId) ?? 0, head))
      }
    } else if (seen.kind === 'message') {
      const { conversationId, seq } = seen
      const row = view.get(conversationId)?.members.get(userId)
      const span = spans.get(`${conversationId} ${userId}`)
      const allowed = span === undefined ? row !== undefined : span.some(({ from, to }) => seq >= from && seq <= to)
      if (!allowed || row === undefined) fault(`${conversationId}: got ${seq}, which is not theirs to see`)
      const top = known.get(conversationId)
      // What a member who came back could see before is gone for them, and no hole.
      const expected = Math.max((top ?? 0) + 1, row?.visibleFrom ?? 1, top === undefined ? (row?.joinSeq ?? 1) : 1)
      if (top !== undefined && seq <= top) {
        if (seq > (covered.get(conversationId) ?? 0)) fault(`${conversationId}: got ${seq} after ${top}`)
      } else if (seq > expected) {
        if (attaching) owedToSummary.set(conversationId, seq - 1)
        else fault(`${conversationId}: got ${seq} after ${top ?? 'nothing'}, a hole`)
      }
      known.set(conversationId, Math.max(top ?? 0, seq))
    }
  }
  if (attaching) fault('is still attaching')
  for (const [conversationId, conversation] of view) {
    const to = lastVisible(conversation, userId)
    const top = known.get(conversationId) ?? 0
    if (top < to) fault(`${conversationId}: knows ${top} of ${to}`)
    if (to > 0 && top > to) fault(`${conversationId}: knows ${top}, may see ${to}`)
  }
  return faults
}

/** The last seq the user may see; 0 = none. By itself, as a checker that asks the judged code finds it right. */
function lastVisible({ head, members }: ConversationView, userId: string): number {
  const member = members.get(userId)
  if (member === undefined) return 0
  const to = Math.min(head.headSeq, member.leaveSeq ?? Number.MAX_SAFE_INTEGER)
  return to < Math.max(member.visibleFrom, head.lowSeq) ? 0 : to
}
