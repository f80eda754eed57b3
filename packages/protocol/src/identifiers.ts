import type { ChatType } from './payloads.js'

const userId = /^[A-Za-z0-9._@|:+=-]{1,64}$/
const opaqueId = /^[A-Za-z0-9_-]{1,64}$/
const clientMsgId = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const anyMsgId = /^[0-9a-f]{8}-[0-9a-f]{4}-[457][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Whether `value` has the form of a user id. Case-sensitive. */
export const isUserId = (value: string): boolean => userId.test(value)

/** Whether `value` has the form of a group or service session id. */
export const isOpaqueId = (value: string): boolean => opaqueId.test(value)

/** Whether a client may use `value` as msgId: lower-case UUID v4 or v7. Version 5 is the server's. */
export const isClientMsgId = (value: string): boolean => clientMsgId.test(value)

/** Whether `value` can name a stored entry, server-made ones included. */
export const isMsgId = (value: string): boolean => anyMsgId.test(value)

/** A conversation id taken apart. */
export type ConversationRef =
  | { readonly chatType: 'direct'; readonly userIds: readonly [string, string] }
  | { readonly chatType: 'group'; readonly groupId: string }
  | { readonly chatType: 'service'; readonly sessionId: string }

/** The id of the direct conversation of two users, the same whoever asks (code-unit order). */
export const directConversationId = (a: string, b: string): string => (a < b ? `d~${a}~${b}` : `d~${b}~${a}`)

export const groupConversationId = (groupId: string): string => `g~${groupId}`

export const serviceConversationId = (sessionId: string): string => `s~${sessionId}`

/** Takes a conversation id apart; undefined when it is none. */
export function parseConversationId(value: string): ConversationRef | undefined {
  const rest = value.slice(2)
  switch (value.slice(0, 2)) {
    case 'd~': {
      const at = rest.indexOf('~')
      const a = rest.slice(0, at)
      const b = rest.slice(at + 1)
      if (at < 0 || !isUserId(a) || !isUserId(b) || a > b) return undefined
      return { chatType: 'direct', userIds: [a, b] }
    }
    case 'g~':
      return isOpaqueId(rest) ? { chatType: 'group', groupId: rest } : undefined
    case 's~':
      return isOpaqueId(rest) ? { chatType: 'service', sessionId: rest } : undefined
    default:
      return undefined
  }
}

/** The kind of a conversation by its id; undefined when it is none. */
export const chatTypeOf = (conversationId: string): ChatType | undefined => parseConversationId(conversationId)?.chatType

/** A path's `:sessionId`: a conversation id as it is, or a bare service session id. Undefined when neither. */
export function conversationIdOfPath(value: string): string | undefined {
  if (parseConversationId(value) !== undefined) return value
  return isOpaqueId(value) ? serviceConversationId(value) : undefined
}
