import type { ChatType } from '@innerline/protocol'

/** A conversation id taken apart without judging it: the server does that. */
export interface Ref {
  readonly chatType: ChatType
  readonly peerUserId?: string
  readonly groupId?: string
  readonly sessionId?: string
}

export function refOf(conversationId: string, userId: string | undefined): Ref {
  const [kind, a = '', b = ''] = conversationId.split('~')
  if (kind === 'g') return { chatType: 'group', groupId: a }
  if (kind === 's') return { chatType: 'service', sessionId: a }
  return { chatType: 'direct', peerUserId: a === userId ? b : a }
}
