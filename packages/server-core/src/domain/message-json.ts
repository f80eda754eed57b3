import type { ChatType } from '@innerline/protocol'
import type { Entry } from './entry.js'

const chatTypes: Readonly<Record<string, ChatType>> = { d: 'direct', g: 'group', s: 'service' }

/** The kind of an existing conversation, from the first letter of its id (CONTRACT "conversationId"). */
export const chatTypeOfStored = (conversationId: string): ChatType => chatTypes[conversationId.charAt(0)] ?? 'direct'

/**
 * The one JSON form of an entry, for sockets and pages alike. Ids are of restricted alphabets and need no escaping;
 * the body is spliced in as it was stored, so that a message is encoded once in its life.
 */
export function messageJson(entry: Entry): string {
  let json =
    `{"conversationId":"${entry.conversationId}","chatType":"${chatTypeOfStored(entry.conversationId)}","seq":${entry.seq}` +
    `,"ord":${entry.ord},"msgId":"${entry.msgId}","fromUserId":"${entry.fromUserId}","timestamp":${entry.timestamp}` +
    `,"kind":"${entry.kind}","body":${entry.bodyJson}`
  if (entry.replyTo !== undefined) json += `,"replyTo":"${entry.replyTo}"`
  if (entry.mentions !== undefined) json += `,"mentions":${JSON.stringify(entry.mentions)}`
  if (entry.target !== undefined) json += `,"target":"${entry.target}"`
  if (entry.editedAt !== undefined) json += `,"editedAt":${entry.editedAt}`
  if (entry.recalledAt !== undefined) json += `,"recalledAt":${entry.recalledAt}`
  return `${json}}`
}
