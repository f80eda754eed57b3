import { messageJson } from '../domain/message-json.js'
import type { Entry } from '../domain/entry.js'

/** One message on its way to sockets: encoded once as JSON, and once per wire form that its sockets share. */
export class LiveMessage {
  readonly conversationId: string
  readonly seq: number
  readonly json: string
  /** Kept here by the gateway: the frame built for each (subscription, ack mode, text or binary) met so far. */
  readonly frames: Map<string, Uint8Array> = new Map()

  constructor(conversationId: string, seq: number, json: string) {
    this.conversationId = conversationId
    this.seq = seq
    this.json = json
  }

  static of(entry: Entry): LiveMessage {
    return new LiveMessage(entry.conversationId, entry.seq, messageJson(entry))
  }
}

/** Messages of one conversation with consecutive seqs, from this node's lane or from the bus. */
export interface LiveBatch {
  readonly conversationId: string
  /** The conversation's memberVersion when they were committed. */
  readonly memberVersion: number
  readonly channels: readonly string[]
  readonly firstSeq: number
  readonly messages: readonly LiveMessage[]
}

/** Seq of the batch's last message. */
export const lastSeqOf = (batch: LiveBatch): number => batch.firstSeq + batch.messages.length - 1
