import {
  type Command,
  type ErrorMessage,
  escapeHeader,
  frameText,
  HEADERS,
  type HeaderInput,
  type ImError,
  QUEUES,
  type SentMessage,
} from '@innerline/protocol'
import type { LiveMessage } from '../delivery/index.js'

/** The frames a server sends, each one STOMP frame as text; the socket encodes it. Header values are ids and numbers, never user text. */

const json = 'application/json'

const text = (command: Command, headers: HeaderInput, body = ''): string => frameText(command, headers, body, Buffer.byteLength(body))

export interface Subscription {
  readonly id: string
  readonly destination: string
  readonly ack: 'auto' | 'client' | 'client-individual'
}

export function connectedFrame(values: {
  readonly userId: string
  readonly sessionId: string
  readonly epoch: number
  readonly heartBeat: string
  readonly reconnectWindowMs: number
}): string {
  return text('CONNECTED', [
    ['version', '1.2'],
    ['heart-beat', values.heartBeat],
    ['server', 'innerline/1'],
    ['session', values.sessionId],
    [HEADERS.userName, values.userId],
    [HEADERS.epoch, String(values.epoch)],
    [HEADERS.reconnectWindow, String(values.reconnectWindowMs)],
  ])
}

/** The one frame on the hot path of a fan-out, so spelled out; what varies is escaped. */
export function logFrame(subscription: Subscription, message: LiveMessage): string {
  const messageId = `${escapeHeader(message.conversationId)}\\c${message.seq}`
  const ack = subscription.ack === 'auto' ? '' : `ack:${messageId}\n`
  return (
    `MESSAGE\nsubscription:${escapeHeader(subscription.id)}\ndestination:${QUEUES.messages}\nmessage-id:${messageId}\n${ack}` +
    `content-type:${json}\ncontent-length:${Buffer.byteLength(message.json)}\n\n${message.json}\0`
  )
}

/** A MESSAGE on a queue that is not a log. `messageId` only has to differ within the connection. */
export const queueFrame = (subscription: Subscription, messageId: string, body: string): string =>
  text(
    'MESSAGE',
    [
      ['subscription', subscription.id],
      ['destination', subscription.destination],
      ['message-id', messageId],
      ['content-type', json],
    ],
    body,
  )

export const receiptFrame = (receipt: string): string => text('RECEIPT', [['receipt-id', receipt]])

/** Spelled out, as every send gets one; what varies is escaped. */
export const sentFrame = (receipt: string, sent: SentMessage): string =>
  `RECEIPT\nreceipt-id:${escapeHeader(receipt)}\n${HEADERS.msgId}:${sent.msgId}\n${HEADERS.conversationId}:${escapeHeader(sent.conversationId)}\n` +
  `${HEADERS.seq}:${sent.seq}\n${HEADERS.ord}:${sent.ord}\n${HEADERS.timestamp}:${sent.timestamp}\n${HEADERS.duplicate}:${sent.duplicate}\n\n\0`

export function errorFrame(refusal: ErrorMessage, extraHeaders: readonly (readonly [string, string])[] = []): string {
  const headers: (readonly [string, string])[] = [['content-type', json], ['message', refusal.code], ...extraHeaders]
  if (refusal.receipt !== undefined) headers.push(['receipt-id', refusal.receipt])
  return text('ERROR', headers, JSON.stringify(refusal))
}

/** The body of a refusal, from the error table. */
export function refusalOf(
  error: ImError,
  title: string,
  about: {
    readonly receipt?: string | undefined
    readonly msgId?: string | undefined
    readonly destination?: string | undefined
    readonly requestId: string
  },
): ErrorMessage {
  return {
    ...error.extra,
    code: error.code,
    title,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    retry: error.retry,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(about.receipt === undefined ? {} : { receipt: about.receipt }),
    ...(about.msgId === undefined ? {} : { msgId: about.msgId }),
    ...(about.destination === undefined ? {} : { destination: about.destination }),
    requestId: about.requestId,
  }
}
