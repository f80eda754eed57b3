import { isClientMsgId, isMsgId, isOpaqueId, isUserId, parseConversationId } from '@innerline/protocol'
import * as z from 'zod'

/**
 * The shapes of everything a client may ask, one source for STOMP and REST. Unknown fields are dropped: they can be
 * added by newer clients, and `fromUserId`, `userId` or `operatorId` have no effect (CONTRACT, first paragraph).
 */

const userId = z.string().refine(isUserId, 'must be a user id: 1–64 of A–Z a–z 0–9 . _ @ | : + = -')
const opaqueId = z.string().refine(isOpaqueId, 'must be an id: 1–64 of A–Z a–z 0–9 _ -')
const conversationId = z.string().refine((id) => parseConversationId(id) !== undefined, 'must be a conversation id such as d~alice~bob')
const msgId = z.string().refine(isMsgId, 'must be a lower-case UUID')
const clientMsgId = z.string().refine(isClientMsgId, 'must be a lower-case UUID of version 4 or 7')
const seq = z.int().min(0)
/** Free bodies are walked recursively by fingerprint and JSON.stringify, and parsers of other languages stop far below a stack's depth. */
const MAX_NESTING = 64
const url = z
  .string()
  .max(2_048)
  .refine((value) => /^https?:\/\/[^\s]+$/i.test(value) || /^\/(?!\/)[^\s\\]*$/.test(value), 'must be an http(s) or host-relative URL')

const textBody = z.object({ type: z.literal('text'), text: z.string().min(1) })
const mediaBody = z.object({
  type: z.enum(['image', 'file', 'audio', 'video']),
  url,
  thumbnailUrl: url.optional(),
  name: z.string().max(255).optional(),
  size: z.int().min(0).optional(),
  mime: z.string().max(127).optional(),
  width: z.int().min(1).optional(),
  height: z.int().min(1).optional(),
  durationMs: z.int().min(0).optional(),
})
const customBody = z
  .looseObject({ type: z.templateLiteral(['x-', z.string().min(1).max(64)]) })
  .refine((body) => isNestedWithin(body, MAX_NESTING), `must not be nested deeper than ${MAX_NESTING}`)

/** A body as clients may send it. */
export const sendableBody = z.union([textBody, mediaBody, customBody], {
  error: "must be {type:'text', text}, {type:'image'|'file'|'audio'|'video', url, …} or {type:'x-…', …}",
})

export const sendRequest = z
  .object({
    msgId: clientMsgId.optional(),
    toUserId: userId.optional(),
    groupId: opaqueId.optional(),
    sessionId: opaqueId.optional(),
    conversationId: conversationId.optional(),
    body: sendableBody,
    replyTo: msgId.optional(),
    mentions: z
      .array(z.union([userId, z.literal('*')]))
      .max(50)
      .optional(),
  })
  .refine(
    (request) =>
      [request.toUserId, request.groupId, request.sessionId, request.conversationId].filter((target) => target !== undefined).length === 1,
    'needs exactly one target: toUserId, groupId, sessionId or conversationId',
  )

export const ackRequest = z.object({
  epoch: z.int().min(0).optional(),
  acks: z
    .array(
      z
        .object({ conversationId, upToSeq: seq.optional(), deliveredSeq: seq.optional(), readSeq: seq.optional() })
        .refine(
          (ack) => (ack.upToSeq === undefined) !== (ack.deliveredSeq === undefined && ack.readSeq === undefined),
          'needs upToSeq, or deliveredSeq and/or readSeq',
        ),
    )
    .min(1)
    .max(200),
})

export const heartbeatRequest = z.object({
  epoch: z.int().min(0).optional(),
  heads: z.record(conversationId, seq).optional(),
})

export const typingRequest = z.object({ conversationId })
export const refreshRequest = z.object({ token: z.string().min(1).max(8_192) })
export const watchRequest = z.object({ userIds: z.array(userId).max(200) })
export const loginRequest = z.object({
  username: z.string().min(1).max(64),
  password: z.string().min(1).max(256),
  deviceId: opaqueId.optional(),
})

function isNestedWithin(value: unknown, levels: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; depth <= levels; depth++) {
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []))
    if (level.length === 0) return true
  }
  return false
}

export type ValidSendRequest = z.output<typeof sendRequest>
export type ValidAckRequest = z.output<typeof ackRequest>
