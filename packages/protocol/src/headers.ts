/** STOMP header names beyond the specification's own. Values are never user text (PROTOCOL.md "Headers"). */
export const HEADERS = {
  /** CONNECT: `Bearer <token>`; `passcode` is the alternative. */
  authorization: 'Authorization',
  /** CONNECT: `1` when the client understands `lag`. */
  lag: 'im-lag',
  /** CONNECT: the device this connection belongs to, when the token names none. */
  deviceId: 'device-id',
  /** CONNECTED: the authenticated user. */
  userName: 'user-name',
  /** CONNECTED: the storage's epoch. */
  epoch: 'epoch',
  /** CONNECTED: ms over which the first reconnect attempt is to be spread. */
  reconnectWindow: 'reconnect-window',
  /** RECEIPT of a send. */
  msgId: 'msg-id',
  conversationId: 'conversation-id',
  seq: 'seq',
  ord: 'ord',
  timestamp: 'timestamp',
  duplicate: 'duplicate',
} as const
