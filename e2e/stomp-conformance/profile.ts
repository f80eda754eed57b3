import { randomUUID } from 'node:crypto'
import type { Header } from './raw-client.js'

/** What the server under test supports beyond the specification's MUSTs, and how a message of one's own comes back. */
export interface Profile {
  readonly name: string
  /** Where what this client publishes comes back to it. */
  readonly inbox: string
  /** May be subscribed to; nothing comes there by itself. */
  readonly quiet: string
  /** A SEND whose message comes back on `inbox` with `token` in its body. */
  readonly publish: (token: string) => { readonly destination: string; readonly headers: readonly Header[]; readonly body: string }
  /** Where SENDs may not go. */
  readonly unknownSend: string
  /** Destinations nobody may subscribe to. */
  readonly unknownSubscriptions: readonly string[]
  /**
   * Where refusals go as MESSAGE while the connection lives on, and how to find the refused frame's receipt id in one.
   * Without it, or when not subscribed, a refusal is an ERROR and a close.
   */
  readonly refusals?: { readonly destination: string; readonly receiptOf: (body: string) => string | undefined }
  readonly transactions: 'refused' | 'supported'
  /** `any`: a body of any bytes comes back unchanged. `json`: others are refused. */
  readonly bodies: 'any' | 'json'
  /** Headers of CONNECTED and of a SEND's RECEIPT beyond the specification's. */
  readonly connectedHeaders: readonly string[]
  readonly sendReceiptHeaders: readonly string[]
  readonly closeCodes: Partial<Record<'protocolError' | 'unauthorized' | 'version' | 'connectTimeout' | 'silence', number>>
  /** Each WebSocket message of the server holds exactly one frame or one line end. */
  readonly oneFramePerMessage: boolean
  readonly limits?: {
    readonly frameBytes: number
    readonly unauthenticatedBytes: number
    readonly headers: number
    readonly headerLineBytes: number
  }
  /** SENDs per second that the server takes from one user for long. */
  readonly sendsPerSecond?: number
  /** How long the server waits for CONNECT. */
  readonly connectTimeoutMs?: number
  /** How long the server lets a silent client be that has promised heart-beats and answers no ping. */
  readonly silenceMs?: number
}

/** Innerline's server. `peer` is a user whom the connecting one may write to. */
export const innerline = (peer: string): Profile => ({
  name: 'innerline',
  inbox: '/user/queue/messages',
  quiet: '/user/queue/heartbeat',
  publish: (token) => ({
    destination: '/app/chat.sendMessage',
    headers: [['content-type', 'application/json']],
    body: JSON.stringify({ msgId: randomUUID(), toUserId: peer, body: { type: 'text', text: token } }),
  }),
  unknownSend: '/app/chat.nonexistent',
  unknownSubscriptions: [
    '/user/queue/nonexistent',
    '/user/someone/queue/messages',
    '/user/queue/*',
    '/user/queue/messages-user1',
    '/user/**',
  ],
  refusals: {
    destination: '/user/queue/errors',
    receiptOf: (body) => (JSON.parse(body) as { receipt?: string }).receipt,
  },
  transactions: 'refused',
  bodies: 'json',
  connectedHeaders: ['session', 'user-name', 'epoch', 'reconnect-window', 'heart-beat'],
  sendReceiptHeaders: ['msg-id', 'conversation-id', 'seq', 'ord', 'timestamp', 'duplicate'],
  closeCodes: { protocolError: 4500, unauthorized: 4501, version: 4512, connectTimeout: 4001, silence: 4002 },
  oneFramePerMessage: true,
  limits: { frameBytes: 64 * 1024, unauthenticatedBytes: 16 * 1024, headers: 32, headerLineBytes: 2 * 1024 },
  sendsPerSecond: 10,
  connectTimeoutMs: 10_000,
  silenceMs: 45_000,
})

/** A broker that fans a topic out to all its subscribers. `topic` must exist or come into being by itself. */
export const topicBroker = (topic: string): Profile => ({
  name: 'topic',
  inbox: topic,
  quiet: `${topic}-quiet`,
  publish: (token) => ({ destination: topic, headers: [['content-type', 'text/plain']], body: token }),
  unknownSend: '',
  unknownSubscriptions: [],
  transactions: 'supported',
  bodies: 'any',
  connectedHeaders: [],
  sendReceiptHeaders: [],
  closeCodes: {},
  oneFramePerMessage: false,
})
