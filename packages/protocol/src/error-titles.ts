import type { ErrorCode } from './errors.js'

/**
 * What happened and what to do, one sentence per code, for developers. Apart from the table, so that a browser's bundle
 * goes without: the server sends the sentence with its refusals.
 */
export const ERROR_TITLES: Readonly<Record<ErrorCode, string>> = {
  INVALID_REQUEST: 'The request is malformed; correct it as the detail says.',
  TOO_LARGE: 'The frame, body or list is over its limit; send less.',
  UNSUPPORTED_MEDIA_TYPE: 'Writes need Content-Type: application/json.',
  REJECTED: 'The service refused this message.',
  UNAUTHORIZED: 'The token is missing or not accepted; sign in.',
  TOKEN_EXPIRED: 'The token has expired; fetch a new one and try again.',
  FORBIDDEN: 'You may not do this.',
  NOT_MEMBER: 'You are not a member of this conversation.',
  NOT_FRIEND: 'Direct messages need a friendship here.',
  BLOCKED: 'Direct messages between you are blocked.',
  MUTED: 'You are muted in this conversation.',
  NOT_FOUND: 'There is no such thing, or you may not see it.',
  MSG_ID_CONFLICT: 'This msgId already names another message; make a new one.',
  STATE_CONFLICT: 'The thing is not in a state that allows this; read it again.',
  SESSION_CLOSED: 'The session is closed; open a new one.',
  GROUP_FULL: 'The group has no room for these members.',
  WINDOW_PASSED: 'The time in which this was allowed has passed.',
  EPOCH_CHANGED: 'The storage was restored; drop positions and read again.',
  RATE_LIMITED: 'Too many requests; wait retryAfterMs.',
  BUSY: 'The server is at its limit; wait retryAfterMs.',
  UNAVAILABLE: 'A service behind the server does not answer; wait retryAfterMs.',
  DRAINING: 'This node is going away; connect again.',
  INTERNAL: 'The server failed; quote the requestId when you report it.',
  UNSUPPORTED: 'This service does not offer that.',
  OFFLINE: 'There is no connection to the server.',
  ACK_TIMEOUT: 'The server did not answer in time.',
  QUEUE_FULL: 'Too many messages wait to be sent.',
  EXPIRED: 'The message waited too long and is not retried by itself any more.',
  CANCELLED: 'The message was cancelled before it was sent.',
  CLIENT_CLOSED: 'The client was closed.',
  TOKEN_FETCH_FAILED: 'getToken failed; it is tried again.',
  STORAGE_UNAVAILABLE: 'The local store cannot be used; messages are kept in memory.',
}
