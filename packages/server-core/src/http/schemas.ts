import {
  type AckResult,
  type ChatMessage,
  type ConversationSummary,
  ERROR_TABLE,
  type LastMessage,
  type LoginAnswer,
  type MessageBody,
  type MessagePage,
  type OffsetPage,
  type OfflinePage,
  type Problem,
  type SentMessage,
  type ServerErrorCode,
  type Summary,
  type UserProfile,
} from '@innerline/protocol'
import * as z from 'zod'
import { ackRequest, loginRequest, sendableBody, sendRequest } from '../app/requests.js'

/**
 * What the routes answer, for the OpenAPI document and its tests; answers are not checked at run time. Each is held to
 * its type in `protocol` by the compiler.
 */

const id = z.string()
const count = z.int().min(0)
const chatType = z.enum(['direct', 'group', 'service'])
const userType = z.enum(['user', 'agent', 'customer'])
const messageKind = z.enum(['message', 'recall', 'edit', 'system', 'reaction'])

const systemBody = z.object({
  type: z.literal('system'),
  event: z.string(),
  userIds: z.array(id).exactOptional(),
  by: id.exactOptional(),
})
// The request's schema says `?: T | undefined` where the wire type says `?: T`; JSON knows no difference.
const messageBody = z.union([sendableBody, systemBody, z.null()]) as unknown as z.ZodType<MessageBody>

export const chatMessage = z.object({
  conversationId: id,
  chatType,
  seq: count,
  ord: count,
  msgId: id,
  fromUserId: id,
  timestamp: count,
  kind: messageKind,
  body: messageBody,
  replyTo: id.exactOptional(),
  mentions: z.array(id).exactOptional(),
  target: id.exactOptional(),
  editedAt: count.exactOptional(),
  recalledAt: count.exactOptional(),
}) satisfies z.ZodType<ChatMessage>

export const sentMessage = z.object({
  msgId: id,
  conversationId: id,
  seq: count,
  ord: count,
  timestamp: count,
  duplicate: z.boolean(),
}) satisfies z.ZodType<SentMessage>

const receipts = z.array(z.object({ userId: id, deliveredSeq: count, readSeq: count })).exactOptional()

export const messagePage = z.object({
  messages: z.array(chatMessage),
  hasMore: z.boolean(),
  floorSeq: count,
  epoch: count,
  receipts,
}) satisfies z.ZodType<MessagePage>

export const offlinePage = z.object({
  messages: z.array(chatMessage),
  hasMore: z.boolean(),
  nextAfterSeq: count,
  floorSeq: count,
  epoch: count,
  receipts,
}) satisfies z.ZodType<OfflinePage>

export const offsetPage = z.object({
  items: z.array(chatMessage),
  total: count,
  offset: count,
  limit: count,
}) satisfies z.ZodType<OffsetPage>

const lastMessage = z.object({
  seq: count,
  msgId: id,
  fromUserId: id,
  kind: messageKind,
  preview: z.string(),
  timestamp: count,
}) satisfies z.ZodType<LastMessage>

export const conversationSummary = z.object({
  conversationId: id,
  chatType,
  title: z.string().exactOptional(),
  peerUserId: id.exactOptional(),
  groupId: id.exactOptional(),
  sessionId: id.exactOptional(),
  headSeq: count,
  headOrd: count,
  deliveredSeq: count,
  readSeq: count,
  joinSeq: count,
  leaveSeq: count.exactOptional(),
  floorSeq: count,
  unread: count,
  mentionSeq: count,
  mutedUntil: count.exactOptional(),
  pinned: z.boolean(),
  hidden: z.boolean(),
  lastMessage: lastMessage.exactOptional(),
  updatedAt: count,
}) satisfies z.ZodType<ConversationSummary>

export const conversationPage = z.object({ items: z.array(conversationSummary), next: z.string().exactOptional() })

export const summary = z.object({
  epoch: count,
  conversations: z.array(conversationSummary),
  next: z.string().exactOptional(),
  totalUnread: count,
}) satisfies z.ZodType<Summary>

const ackResult = z.object({
  conversationId: id,
  deliveredSeq: count,
  readSeq: count,
  unread: count,
}) satisfies z.ZodType<AckResult>

export const ackAnswer = z.object({ acks: z.array(ackResult) })

export const userProfile = z.object({
  userId: id,
  userType,
  displayName: z.string(),
  avatar: z.string().exactOptional(),
}) satisfies z.ZodType<UserProfile>

export const userList = z.object({ items: z.array(userProfile) })

/** The caller as the server sees them: the profile, and what the token says. */
export const me = z.object({
  ...userProfile.shape,
  deviceId: id.exactOptional(),
  roles: z.array(z.string()),
  expiresAt: count.exactOptional(),
})

export const loginAnswer = z.object({
  token: z.string(),
  tokenType: z.literal('Bearer'),
  expiresAt: count,
  user: userProfile,
}) satisfies z.ZodType<LoginAnswer>

const serverCodes = Object.entries(ERROR_TABLE).flatMap(([code, { http }]) => (http === 0 ? [] : [code as ServerErrorCode]))

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(serverCodes as [ServerErrorCode, ...ServerErrorCode[]]),
  detail: z.string().exactOptional(),
  retry: z.enum(['never', 'later', 'after-refresh', 'after-resync']),
  retryAfterMs: count.exactOptional(),
  requestId: id,
}) satisfies z.ZodType<Problem>

/** The names under which the OpenAPI document keeps them. */
export const COMPONENTS: Readonly<Record<string, z.ZodType>> = {
  AckAnswer: ackAnswer,
  AckMessage: ackRequest,
  AckResult: ackResult,
  ChatMessage: chatMessage,
  ConversationPage: conversationPage,
  ConversationSummary: conversationSummary,
  LastMessage: lastMessage,
  LoginAnswer: loginAnswer,
  LoginRequest: loginRequest,
  Me: me,
  MessageBody: messageBody,
  MessagePage: messagePage,
  OfflinePage: offlinePage,
  OffsetPage: offsetPage,
  Problem: problem,
  SendRequest: sendRequest,
  SendableBody: sendableBody,
  SentMessage: sentMessage,
  Summary: summary,
  UserList: userList,
  UserProfile: userProfile,
}
