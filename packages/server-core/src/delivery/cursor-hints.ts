import { parseConversationId } from '@innerline/protocol'
import type { CursorState } from '../ports/index.js'
import type { Hints } from './hints.js'

/** Tells a moved cursor to the user's own devices, and in a direct chat to the peer, whose ticks it is. */
export const notifyCursor =
  (hints: Hints) =>
  (userId: string, conversationId: string, state: CursorState): void => {
    const { deliveredSeq, readSeq, unread, headOrd } = state
    hints.send(userId, `cursor ${conversationId}`, { event: 'cursor', conversationId, deliveredSeq, readSeq, unread, headOrd })
    const ref = parseConversationId(conversationId)
    if (ref?.chatType !== 'direct') return
    const peer = ref.userIds[0] === userId ? ref.userIds[1] : ref.userIds[0]
    hints.send(peer, `receipt ${conversationId} ${userId}`, { event: 'receipt', conversationId, userId, deliveredSeq, readSeq })
  }
