import { type ErrorMessage, HEADERS, type ImError, QUEUES, type SentMessage, serializeFrame } from '@innerline/protocol'
import type { LiveMessage } from '../delivery/index.js'

/** The frames a server sends, each as one STOMP frame. Header values are ids and numbers, never user text. */

const json = 'application/json'

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
}): Uint8Array {
  return serializeFrame('CONNECTED', [
    ['version', '1.2'],
    ['heart-beat', values.heartBeat],
    ['server', 'innerline/1'],
    ['session', values.sessionId],
    [HEADERS.userName, values.userId],
    [HEADERS.epoch, String(values.epoch)],
    [HEADERS.reconnectWindow, String(values.reconnectWindowMs)],
  ])
}

export function logFrame(subscription: Subscription, message: LiveMessage): Uint8Array {
  const messageId = `${message.conversationId}:${message.seq}`
  const headers: [string, string][] = [
    ['subscription', subscription.id],
    ['destination', QUEUES.messages],
    ['message-id', messageId],
    ['content-type', json],
  ]
  if (subscription.ack !== 'auto') headers.push(['ack', messageId])
  return serializeFrame('MESSAGE', headers, message.json)
}

/** A MESSAGE on a queue that is not a log. `messageId` only has to differ within the connection. */
export const queueFrame = (subscription: Subscription, messageId: string, body: string): Uint8Array =>
  serializeFrame(
    'MESSAGE',
    [
      ['subscription', subscription.id],
      ['destination', subscription.destination],
      ['message-id', messageId],
      ['content-type', json],
    ],
    body,
  )

export const receiptFrame = (receipt: string): Uint8Array => serializeFrame('RECEIPT', [['receipt-id', receipt]])

export const sentFrame = (receipt: string, sent: SentMessage): Uint8Array =>
  serializeFrame('RECEIPT', [
    ['receipt-id', receipt],
    [HEADERS.msgId, sent.msgId],
    [HEADERS.conversationId, sent.conversationId],
    [HEADERS.seq, String(sent.seq)],
    [HEADERS.ord, String(sent.ord)],
    [HEADERS.timestamp, String(sent.timestamp)],
    [HEADERS.duplicate, String(sent.duplicate)],
  ])

export function errorFrame(refusal: ErrorMessage, extraHeaders: readonly (readonly [string, string])[] = []): Uint8Array {
  const headers: (readonly [string, string])[] = [['content-type', json], ['message', refusal.code], ...extraHeaders]
  if (refusal.receipt !== undefined) headers.push(['receipt-id', refusal.receipt])
  return serializeFrame('ERROR', headers, JSON.stringify(refusal))
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
