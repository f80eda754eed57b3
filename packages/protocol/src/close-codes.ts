/**
 * WebSocket close codes. Clients decide by range, so that a new code is safe for an old client:
 * 1012 and 4000–4499 reconnect, 4500–4999 are final.
 */
export const CLOSE = {
  drain: 1012,
  slowReader: 4000,
  connectTimeout: 4001,
  heartbeatLost: 4002,
  flooding: 4003,
  overloaded: 4004,
  tokenExpired: 4010,
  protocolError: 4500,
  unauthorized: 4501,
  forbidden: 4503,
  replaced: 4510,
  tokenRevoked: 4511,
  unsupportedVersion: 4512,
} as const

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE]

/** Whether a client may connect again after `code`. Every code outside 4500–4999 says yes, network losses included. */
export const mayReconnect = (code: number): boolean => code < 4500 || code > 4999

/** Longest reason a close frame can carry, in UTF-8 bytes (RFC 6455 §5.5). */
export const MAX_CLOSE_REASON_BYTES = 123
