import type { ServerErrorCode } from '@innerline/protocol'
import type { Head } from './entry.js'
import type { Member } from './member.js'

/**
 * Why a member may not append a message now; undefined when they may. Pure, so that the use case can ask before a
 * send enters the lane and Storage again under the head's lock when the members have changed in between.
 */
export function refusalToSend(
  head: Pick<Head, 'state' | 'chatType'>,
  member: Pick<Member, 'leaveSeq'> | undefined,
): ServerErrorCode | undefined {
  if (member === undefined || member.leaveSeq !== undefined) return 'NOT_MEMBER'
  if (head.state === 'closed') return head.chatType === 'service' ? 'SESSION_CLOSED' : 'STATE_CONFLICT'
  return undefined
}
