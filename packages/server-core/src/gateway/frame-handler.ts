import { CLOSE, type Frame, ImError, parseConversationId, QUEUES, SEND_DESTINATIONS } from '@innerline/protocol'
import { ackRequest, heartbeatRequest, refreshRequest, sendRequest, typingRequest, type ValidAckRequest } from '../app/requests.js'
import { validate } from '../app/validate.js'
import type { Principal } from '../ports/index.js'
import { closeCodeOf } from './close-reason.js'
import { handleConnect, refreshToken } from './connect.js'
import type { Connection } from './connection.js'
import { receiptFrame, sentFrame } from './server-frames.js'

const decoder = new TextDecoder('utf-8', { fatal: true })
const queues: readonly string[] = Object.values(QUEUES)
const isTransactional: ReadonlySet<string> = new Set(['SEND', 'ACK', 'NACK'])
const noTransactions = { detail: 'Transactions are not offered.' }

/**
 * One client frame, in the connection's order. Throws ImError for a request that is refused at once; later refusals
 * go through `connection.refuse` too.
 */
export function handleFrame(connection: Connection, frame: Frame): void {
  if (connection.state !== 'open') {
    if (frame.command === 'CONNECT' || frame.command === 'STOMP') handleConnect(connection, frame)
    else connection.fail(new ImError('UNAUTHORIZED', { detail: 'The first frame must be CONNECT.' }), CLOSE.protocolError)
    return
  }
  if (connection.isLeaving) return
  if (frame.headers.has('transaction') && isTransactional.has(frame.command)) throw new ImError('UNSUPPORTED', noTransactions)
  switch (frame.command) {
    case 'SEND':
      return handleSend(connection, frame)
    case 'SUBSCRIBE':
      return subscribe(connection, frame)
    case 'UNSUBSCRIBE':
      return unsubscribe(connection, frame)
    case 'ACK':
      return acknowledgeFrame(connection, frame)
    case 'NACK':
      if (!frame.headers.get('id')) throw new ImError('INVALID_REQUEST', { detail: 'NACK needs an id.' })
      return receipt(connection, frame)
    case 'DISCONNECT':
      connection.isLeaving = true
      return connection.outstanding.whenNone(() => {
        receipt(connection, frame)
        connection.close(1000, 'bye')
      })
    case 'BEGIN':
    case 'COMMIT':
    case 'ABORT':
      return connection.fail(new ImError('UNSUPPORTED', noTransactions), CLOSE.protocolError, { receipt: frame.headers.get('receipt') })
    default:
      return handleConnect(connection, frame)
  }
}

function handleSend(connection: Connection, frame: Frame): void {
  const destination = frame.headers.get('destination')
  switch (destination) {
    case SEND_DESTINATIONS.sendMessage:
      return sendMessage(connection, frame)
    case SEND_DESTINATIONS.ack:
      return acknowledge(connection, frame, validate(ackRequest, jsonOf(frame)))
    case SEND_DESTINATIONS.heartbeat:
      return heartbeat(connection, frame)
    case SEND_DESTINATIONS.typing:
      return typing(connection, frame)
    case SEND_DESTINATIONS.refresh:
      return answerLater(connection, frame, refreshToken(connection, validate(refreshRequest, jsonOf(frame)).token))
    case SEND_DESTINATIONS.watchPresence:
      throw new ImError('UNSUPPORTED', { detail: 'Watching presence is not offered by this version.' })
    default:
      throw unknownDestination(destination)
  }
}

function sendMessage(connection: Connection, frame: Frame): void {
  const { context } = connection.host
  const { sendsInFlight } = context.limits
  const request = validate(sendRequest, jsonOf(frame))
  const receiptId = frame.headers.get('receipt')
  const answered = connection.outstanding.expect()
  // Paused frames are not handled, so it never grows beyond the limit and any answer makes room.
  if (++connection.sending === sendsInFlight) connection.pause()
  const settled = (): void => {
    answered()
    if (connection.sending-- === sendsInFlight) connection.resume()
  }
  context.send.execute(connection.principal as Principal, request, connection.laneOrder).then(
    (sent) => {
      if (receiptId !== undefined) connection.owe(sentFrame(receiptId, sent))
      settled()
    },
    (error: unknown) => {
      connection.refuse(error, { receipt: receiptId, msgId: request.msgId, destination: SEND_DESTINATIONS.sendMessage })
      settled()
    },
  )
}

function acknowledge(connection: Connection, frame: Frame, request: ValidAckRequest): void {
  const written = connection.host.context.acknowledge.soon(connection.principal as Principal, request)
  if (frame.headers.has('receipt')) answerLater(connection, frame, written)
  else written.catch((error: unknown) => connection.refuse(error, { destination: frame.headers.get('destination') }))
}

/** STOMP's own ACK: its id says conversation and seq, so it is stateless and cumulative per conversation. */
function acknowledgeFrame(connection: Connection, frame: Frame): void {
  const id = frame.headers.get('id') ?? ''
  const at = id.lastIndexOf(':')
  const conversationId = id.slice(0, at)
  const digits = id.slice(at + 1)
  if (at < 0 || parseConversationId(conversationId) === undefined || !/^[1-9]\d{0,15}$/.test(digits)) {
    throw new ImError('INVALID_REQUEST', { detail: 'An ACK needs the ack header of a MESSAGE as its id.' })
  }
  acknowledge(connection, frame, { acks: [{ conversationId, deliveredSeq: Number(digits) }] })
}

/** Tells the client where this node knows more than it does. Never asks Storage. */
function heartbeat(connection: Connection, frame: Frame): void {
  const { index, clock, epoch, limits } = connection.host.context
  const request = validate(heartbeatRequest, frame.body.length === 0 ? {} : jsonOf(frame))
  const asked = Object.entries(request.heads ?? {})
  if (asked.length > limits.heartbeatHeads) throw new ImError('TOO_LARGE', { detail: `At most ${limits.heartbeatHeads} heads.` })
  const heads: Record<string, number> = {}
  for (const [conversationId, seq] of asked) {
    if (index.presentAt(conversationId, connection.userId) === undefined) continue
    const head = index.headOf(conversationId)
    if (head !== undefined && head > seq) heads[conversationId] = head
  }
  const subscription = connection.subscriptionTo(QUEUES.heartbeat)
  if (subscription !== undefined) {
    const answer = JSON.stringify({ serverTime: clock.now(), epoch: epoch(), heads })
    connection.hintFrame('heartbeat', connection.queued(subscription, answer))
  }
  receipt(connection, frame)
}

function typing(connection: Connection, frame: Frame): void {
  const { index, hints } = connection.host.context
  const { conversationId } = validate(typingRequest, jsonOf(frame))
  const ref = parseConversationId(conversationId)
  if (ref?.chatType === 'direct' && index.presentAt(conversationId, connection.userId) !== undefined) {
    const peer = ref.userIds[0] === connection.userId ? ref.userIds[1] : ref.userIds[0]
    hints.send(peer, `typing ${conversationId} ${connection.userId}`, { event: 'typing', conversationId, userId: connection.userId })
  }
  receipt(connection, frame)
}

function subscribe(connection: Connection, frame: Frame): void {
  const { limits } = connection.host.context
  const id = frame.headers.get('id')
  const destination = frame.headers.get('destination')
  const ack = frame.headers.get('ack') ?? 'auto'
  if (id === undefined || id === '' || id.length > 64)
    throw new ImError('INVALID_REQUEST', { detail: 'SUBSCRIBE needs an id of 1–64 characters.' })
  if (ack !== 'auto' && ack !== 'client' && ack !== 'client-individual') {
    throw new ImError('INVALID_REQUEST', { detail: 'ack must be auto, client or client-individual.' })
  }
  const queue = queues.find((known) => known === destination)
  if (queue === undefined) throw unknownDestination(destination)
  if (connection.subscriptions.some((subscription) => subscription.id === id)) {
    throw new ImError('INVALID_REQUEST', { detail: 'This subscription id is in use on this connection.' })
  }
  if (connection.subscriptions.length >= limits.subscriptionsPerConnection) {
    throw new ImError('TOO_LARGE', { detail: `At most ${limits.subscriptionsPerConnection} subscriptions a connection.` })
  }
  // Our own string for it: a piece of the frame would keep the whole frame's text alive.
  connection.subscriptions = [...connection.subscriptions, { id, destination: queue, ack }]
  if (queue !== QUEUES.messages) return receipt(connection, frame)
  const answered = connection.outstanding.expect()
  connection.host.attach(connection).then(
    () => {
      receipt(connection, frame)
      answered()
    },
    (error: unknown) => {
      // Half attached is a hole the client cannot see: it comes again when there is something to attach to.
      const refusal = error instanceof ImError ? error : new ImError('UNAVAILABLE', { retryAfterMs: 2_000, cause: error })
      connection.host.context.logger.warn({ err: error, connectionId: connection.id }, 'a connection could not be attached')
      connection.fail(refusal, closeCodeOf(refusal), { receipt: frame.headers.get('receipt') })
      answered()
    },
  )
}

function unsubscribe(connection: Connection, frame: Frame): void {
  const at = connection.subscriptions.findIndex((subscription) => subscription.id === frame.headers.get('id'))
  if (at < 0) throw new ImError('INVALID_REQUEST', { detail: 'There is no subscription of this id.' })
  // What is queued for the subscription goes out before its end is confirmed, and nothing after.
  connection.flush()
  connection.subscriptions = connection.subscriptions.toSpliced(at, 1)
  if (connection.subscriptionTo(QUEUES.messages) === undefined) connection.host.context.index.detach(connection)
  receipt(connection, frame)
}

function jsonOf(frame: Frame): unknown {
  try {
    return JSON.parse(decoder.decode(frame.body))
  } catch {
    throw new ImError('INVALID_REQUEST', { detail: 'The body must be JSON in UTF-8.' })
  }
}

function answerLater(connection: Connection, frame: Frame, work: Promise<void>): void {
  const answered = connection.outstanding.expect()
  work.then(
    () => {
      receipt(connection, frame)
      answered()
    },
    (error: unknown) => {
      connection.refuse(error, { receipt: frame.headers.get('receipt'), destination: frame.headers.get('destination') })
      answered()
    },
  )
}

function receipt(connection: Connection, frame: Frame): void {
  const id = frame.headers.get('receipt')
  if (id !== undefined) connection.owe(receiptFrame(id))
}

function unknownDestination(destination: string | undefined): ImError {
  if (destination === undefined) return new ImError('INVALID_REQUEST', { detail: 'The destination header is missing.' })
  // Queues are written by the server alone, and everybody's are their own.
  const isQueueLike = /^\/(user|queue|topic)\//.test(destination)
  return new ImError(isQueueLike ? 'FORBIDDEN' : 'NOT_FOUND', {
    detail: isQueueLike ? 'This destination is not for you.' : 'There is no such destination.',
  })
}
