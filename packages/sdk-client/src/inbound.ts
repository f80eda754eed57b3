import {
  type ChatMessage,
  type ConversationSummary,
  type ErrorMessage,
  type HeartbeatAnswer,
  type ImError,
  QUEUES,
  type Queue,
  type SessionEvent,
  type Summary,
} from '@innerline/protocol'
import type { Supervisor } from './connection/supervisor.js'
import type { Acks } from './conversation/acks.js'
import type { Directory } from './conversation/directory.js'
import type { Events } from './events.js'
import { errorOf } from './failure.js'
import type { OutboxQueue } from './outbox/outbox.js'

export interface InboundPorts {
  readonly events: Events
  readonly acks: Acks
  readonly outbox: OutboxQueue
  readonly directory: Directory
  readonly supervisor: Supervisor
  userId(): string | undefined
  /** Whether what was told is of the epoch in force. A newer one ends the connection, which belongs to its own. */
  sameEpoch(epoch: number): boolean
  summary(summary: Summary): void
  /** Frames may have been dropped; a summary will follow. */
  doubt(): void
  /** Reads the summary, as a conversation came up that it did not name. */
  reload(): void
}

/** Tells each part of the client what the server's frames mean to it. */
export function createInbound(ports: InboundPorts): (queue: Queue, body: object) => void {
  const { events, acks, outbox, directory, supervisor, reload } = ports

  const entry = (message: ChatMessage) => {
    if (!(message.seq > 0)) return
    const core = directory.core(message.conversationId)
    if (!core.told) reload()
    core.frame(message)
  }
  const answer = ({ epoch, heads }: HeartbeatAnswer) => {
    if (ports.sameEpoch(epoch)) for (const [id, seq] of Object.entries(heads ?? {})) directory.core(id).head(seq)
  }
  const refusal = (body: ErrorMessage) => {
    const error: ImError = errorOf(body)
    const id = body.receipt || body.msgId || ''
    if (error.code === 'TOKEN_EXPIRED') supervisor.refresh()
    // An ack of an epoch that is over is refused and forgotten: the node is about to tell of the new one.
    if (!acks.settle(id, error) && !outbox.refused(id, error)) events.report(error)
  }
  const session = (event: SessionEvent) => {
    switch (event.event) {
      case 'summary':
        return ports.summary(event)
      case 'cursor':
        return directory.core(event.conversationId).cursor(event)
      case 'conversation': {
        const { event: _, at: __, ...summary } = event
        return directory.core(event.conversationId).summary(summary as ConversationSummary, false)
      }
      case 'receipt':
        if (event.userId === ports.userId()) return
        directory.core(event.conversationId).receipt(event)
        return events.emit('receipt', event)
      case 'typing':
        if (event.userId === ports.userId()) return
        directory.core(event.conversationId).typed(event.userId)
        return events.emit('typing', event)
      case 'lag':
      case 'resync':
        return ports.doubt()
      case 'drain':
        return supervisor.dispatch({ type: 'drain', inMs: event.reconnectInMs })
      case 'auth-expiring':
        return supervisor.refresh()
      case 'kicked':
        return events.emit('kicked', event)
      default:
        return events.emit('session', event)
    }
  }
  const handlers: Readonly<Record<Queue, (body: never) => void>> = {
    [QUEUES.messages]: entry,
    [QUEUES.session]: session,
    [QUEUES.heartbeat]: answer,
    [QUEUES.errors]: refusal,
  }
  return (queue, body) => handlers[queue](body as never)
}
