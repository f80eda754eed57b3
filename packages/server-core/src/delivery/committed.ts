import type { AppendItem, AppendResult, Bus, Logger } from '../ports/index.js'
import { messageJson } from '../domain/message-json.js'
import { encodeBatch } from './bus-frames.js'
import { LiveMessage, type LiveBatch } from './live-message.js'
import type { MemberIndex } from './member-index.js'

type Committed = Extract<AppendResult, { readonly ok: true }>

/**
 * Sends what a lane has committed on its way: to this node's index at once, to the other nodes by the bus. Never
 * throws: what is lost here comes by the feed.
 */
export class CommittedPublisher {
  readonly #index: MemberIndex
  readonly #bus: Bus
  readonly #logger: Logger
  readonly #epoch: () => number

  constructor(index: MemberIndex, bus: Bus, logger: Logger, epoch: () => number) {
    this.#index = index
    this.#bus = bus
    this.#logger = logger
    this.#epoch = epoch
  }

  /** `epoch` is the one that was in force when the append was asked for: in another its seqs may be other entries. */
  publish(items: readonly AppendItem[], results: readonly AppendResult[], epoch: number): void {
    if (epoch !== this.#epoch()) return
    try {
      for (const batch of batchesOf(items, results)) {
        this.#index.accept(batch)
        if (this.#bus.alone === true) continue
        const bytes = encodeBatch(batch, epoch)
        for (const channel of batch.channels) this.#bus.publish(channel, bytes)
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'committed messages could not be published; the change feed delivers them')
    }
  }
}

/** One batch per conversation and run of consecutive seqs; duplicates and refusals are nobody's news. */
export function batchesOf(items: readonly AppendItem[], results: readonly AppendResult[]): readonly LiveBatch[] {
  const open = new Map<string, { memberVersion: number; channels: readonly string[]; firstSeq: number; messages: LiveMessage[] }>()
  const done: LiveBatch[] = []
  items.forEach((item, i) => {
    const result = results[i]
    if (result?.ok !== true || result.duplicate) return
    const { conversationId, channels } = item
    const { seq, memberVersion } = result
    const message = new LiveMessage(conversationId, seq, messageJson(entryOf(item, result)))
    const run = open.get(conversationId)
    if (run !== undefined && run.firstSeq + run.messages.length === seq) {
      run.messages.push(message)
      run.memberVersion = memberVersion
      // An entry about members names them too; without theirs the frame would miss a newcomer's node.
      for (const channel of channels) if (!run.channels.includes(channel)) run.channels = [...run.channels, channel]
      return
    }
    if (run !== undefined) done.push({ conversationId, ...run })
    open.set(conversationId, { memberVersion, channels, firstSeq: seq, messages: [message] })
  })
  for (const [conversationId, run] of open) done.push({ conversationId, ...run })
  return done
}

const entryOf = (item: AppendItem, result: Committed) => ({
  conversationId: item.conversationId,
  seq: result.seq,
  ord: result.ord,
  msgId: item.msgId,
  fromUserId: item.fromUserId,
  timestamp: result.timestamp,
  kind: item.kind,
  bodyJson: item.bodyJson,
  replyTo: item.replyTo,
  mentions: item.mentions,
  target: item.target,
})
