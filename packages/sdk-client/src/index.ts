export { createImClient } from './client.js'
export { memoryStore } from './store/memory.js'
export { ImError, isImError } from '@innerline/protocol'
export type * from './api/client.js'
export type * from './api/connection.js'
export type * from './api/conversation.js'
export type * from './api/events.js'
export type * from './api/message.js'
export type * from './api/options.js'
export type * from './api/readable.js'
export type * from './store/store.js'
export type {
  ChatMessage,
  ChatType,
  Clock,
  ConversationSummary,
  CustomBody,
  ErrorCode,
  ErrorMessage,
  Ids,
  LastMessage,
  LoginAnswer,
  LoginRequest,
  MediaBody,
  MessageBody,
  MessageKind,
  MessagePage,
  OffsetPage,
  Problem,
  Retry,
  SendableBody,
  SendRequest,
  SentMessage,
  SessionEvent,
  SystemBody,
  TextBody,
  UserProfile,
  UserType,
} from '@innerline/protocol'
