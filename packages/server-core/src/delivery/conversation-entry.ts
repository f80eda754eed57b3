import type { Cancel, Clock, Logger } from '../ports/index.js'
import { HeldBatches } from './held-batches.js'
import { lastSeqOf, type LiveBatch, type LiveMessage } from './live-message.js'
import { type LoadedMembers, LocalMembers } from './local-members.js'
import type { Subscriber, UserSlot } from './user-slot.js'

const HOLD_MS = 100
const RETRY_MS = [100, 250, 500, 1_000, 2_000] as const
/** A connection that has to be told of more of a conversation than this is attached again instead. */
const MAX_OWED = 200

/** What an entry needs from around it. */
export interface EntryPorts {
  readonly clock: Clock
  readonly logger: Logger
  /** Messages of `[from, to]` in order, as far as one page goes; starts above `from` only where retention has cut. */
  readonly readRange: (conversationId: string, from: number, to: number) => Promise<readonly LiveMessage[]>
  /** The lowest seq that retention has kept; undefined when the conversation is not there. */
  readonly lowSeqOf: (conversationId: string) => Promise<number | undefined>
  /** Rows of those users who are or were members; undefined when the conversation is not there. */
  readonly loadMembers: (conversationId: string, userIds: readonly string[]) => Promise<LoadedMembers | undefined>
  readonly slotOf: (userId: string) => UserSlot | undefined
  /** Called when the last local member has gone. */
  readonly onEmpty: (entry: ConversationEntry) => void
}

/**
 * One conversation on this node: who of its members is connected here, and up to which seq they have been given it
 * (`w`). Whatever comes, in whatever order and however often, leaves here once and ascending: ≤ w is dropped, w+1 goes out, what is
 * higher is held a moment and then the hole is read, once for all.
 */
export class ConversationEntry {
  readonly conversationId: string
  readonly #ports: EntryPorts
  readonly #members: LocalMembers
  readonly #held = new HeldBatches()
  /** Undefined until the head has been read after the attach. */
  #watermark: number | undefined
  /** Highest seq known to be committed. */
  #known = 0
  #fillNow = false
  #cancelHold: Cancel | undefined
  /** A load or read is running; everything else waits, so that work per conversation is serial. */
  #busy = false
  #failures = 0
  #closed = false

  constructor(conversationId: string, memberVersion: number, ports: EntryPorts) {
    this.conversationId = conversationId
    this.#ports = ports
    this.#members = new LocalMembers(conversationId, memberVersion, ports.slotOf)
  }

  get isOpen(): boolean {
    return this.#watermark !== undefined
  }

  /** Seq up to which local members have been given the conversation. */
  get watermark(): number | undefined {
    return this.#watermark
  }

  /** The version at which this user was a present member; undefined when that is not known. */
  presentAt(userId: string): number | undefined {
    return this.#members.presentAt(userId)
  }

  /** Begins at `seq`: the head read after the attach, with the `memberVersion` it had; or the seq before the frame that made the entry. */
  open(seq: number, memberVersion = 0): void {
    if (this.#watermark !== undefined || this.#closed) return
    this.#watermark = seq
    // The memberships were read before the head: who has left in between must not be given anything first.
    this.#members.note(memberVersion, [])
    this.#advance()
  }

  /** Takes in a present member as an attach of `subscriber` has read it at `memberVersion`. */
  admit(slot: UserSlot, visibleFrom: number, memberVersion: number, subscriber: Subscriber): void {
    this.#members.admit(slot, visibleFrom, memberVersion, subscriber)
    slot.follow(this)
    this.#advance()
  }

  /** The user has no connection here any more. */
  remove(userId: string): void {
    const member = this.#members.byUser.get(userId)
    if (member === undefined) return
    this.#members.byUser.delete(userId)
    member.slot.unfollow(this)
    this.#endIfEmpty()
  }

  /** Takes committed messages from the lane, the bus or a read. */
  accept(batch: LiveBatch): void {
    if (this.#closed) return
    const last = lastSeqOf(batch)
    if (last > this.#known) this.#known = last
    const isNews = this.#members.note(batch.memberVersion, batch.channels)
    const w = this.#watermark
    if (w !== undefined && !isNews) {
      if (last <= w) return
      if (batch.firstSeq <= w + 1 && !this.#busy && this.#held.isEmpty) {
        this.#dispatch(batch.messages)
        return
      }
    }
    // When too many are held the log has them: knowing the head is enough, and memory stays bounded.
    if (!this.#held.add(batch)) this.#fillNow = true
    this.#advance()
  }

  /** The change feed says that everything up to `seq` is committed: what is missing is read now, without a wait. */
  noteCommitted(seq: number): void {
    if (seq > this.#known) this.#known = seq
    if (this.#watermark !== undefined && seq <= this.#watermark) return
    this.#fillNow = true
    this.#advance()
  }

  /** Members or rights have moved: they are read before anything more is dispatched. */
  noteMembers(version: number, channels: readonly string[]): void {
    if (this.#members.note(version, channels)) this.#advance()
  }

  close(): void {
    this.#closed = true
    this.#held.clear()
    this.#cancelHold?.()
    for (const { slot } of this.#members.byUser.values()) slot.unfollow(this)
    this.#members.byUser.clear()
  }

  /** Does what can be done at once; starts at most one load or read. */
  #advance(): void {
    if (this.#busy || this.#closed || this.#watermark === undefined) return
    if (this.#members.isBehind) {
      void this.#work(() => this.#loadMembers())
      return
    }
    if (this.#members.owed.length > 0) {
      void this.#work(() => this.#payOwed())
      return
    }
    this.#dispatchHeld()
    if (this.#closed) return
    const w = this.#watermark
    if (this.#known <= w) {
      this.#fillNow = false
      return
    }
    if (this.#fillNow) {
      void this.#work(() => this.#fill())
      return
    }
    this.#cancelHold ??= this.#ports.clock.after(HOLD_MS, () => {
      this.#cancelHold = undefined
      this.#fillNow = true
      this.#advance()
    })
  }

  #dispatchHeld(): void {
    for (;;) {
      const batch = this.#held.takeAfter(this.#watermark as number)
      if (batch === undefined) break
      this.#dispatch(batch.messages)
    }
    if (this.#known <= (this.#watermark as number)) {
      this.#cancelHold?.()
      this.#cancelHold = undefined
    }
  }

  #dispatch(messages: readonly LiveMessage[]): void {
    for (const message of messages) {
      const { seq } = message
      if (seq <= (this.#watermark as number)) continue
      this.#watermark = seq
      for (const [userId, { slot, visibleFrom, leaveSeq }] of this.#members.byUser) {
        if (seq >= visibleFrom && seq <= (leaveSeq ?? seq)) for (const subscriber of slot.subscribers) this.#give(subscriber, message)
        if (leaveSeq === undefined || seq < leaveSeq) continue
        this.#members.leave(userId, leaveSeq)
        slot.unfollow(this)
      }
    }
    this.#endIfEmpty()
  }

  /** One connection that throws must not cost the others the message, nor itself more than an attach. */
  #give(subscriber: Subscriber, message: LiveMessage): void {
    try {
      subscriber.deliver(message)
    } catch (error) {
      this.#ports.logger.error({ err: error, conversationId: this.conversationId }, 'a message could not be handed to a connection')
      subscriber.resync(1_000)
    }
  }

  /** An entry that nobody here hangs on ends, unless a newcomer is still to be read. */
  #endIfEmpty(): void {
    if (this.#members.byUser.size === 0 && !this.#busy && !this.#members.isBehind && !this.#closed) this.#ports.onEmpty(this)
  }

  async #work(step: () => Promise<void>): Promise<void> {
    this.#busy = true
    try {
      await step()
      this.#failures = 0
    } catch (error) {
      const wait = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] as number
      this.#ports.logger.warn({ err: error, conversationId: this.conversationId, retryInMs: wait }, 'a conversation waits for its log')
      await new Promise<void>((resolve) => this.#ports.clock.after(wait, resolve))
    }
    this.#busy = false
    this.#endIfEmpty()
    this.#advance()
  }

  /** Reads one page of the hole; `#advance` comes back for the rest. */
  async #fill(): Promise<void> {
    const from = (this.#watermark as number) + 1
    const to = Math.min(this.#known, this.#held.firstSeq - 1)
    const messages = await this.#ports.readRange(this.conversationId, from, to)
    if (this.#closed) return
    // An attach meanwhile has shown who was not told of the conversation: they are given it from its beginning first.
    if (this.#members.owed.length > 0) return
    if (messages.length > 0) return this.#dispatch(messages)
    const lowSeq = await this.#ports.lowSeqOf(this.conversationId)
    if (lowSeq === undefined || lowSeq <= from) throw new Error('the log does not have yet what the feed names')
    // Retention was here first: what is gone is no hole.
    this.#watermark = Math.min(lowSeq - 1, to)
  }

  async #loadMembers(): Promise<void> {
    const wanted = this.#members.takeWanted()
    const userIds = wanted === undefined ? [] : this.#members.concernedBy(wanted)
    if (wanted === undefined || userIds.length === 0) return
    let loaded: LoadedMembers | undefined
    try {
      loaded = await this.#ports.loadMembers(this.conversationId, userIds)
      if (loaded === undefined || loaded.memberVersion < wanted.version) throw new Error('the members read are older than the change')
    } catch (error) {
      this.#members.want(wanted.version, wanted.channels)
      throw error
    }
    if (this.#closed) return
    const before = [...this.#members.byUser.values()]
    this.#members.apply(loaded, this.#watermark as number)
    for (const { slot } of before) if (!this.#members.byUser.has(slot.userId)) slot.unfollow(this)
    for (const { slot } of this.#members.byUser.values()) slot.follow(this)
  }

  /**
   * Tells connections of a conversation that has come up since they attached: what has gone out already, or by a
   * summary when that is much.
   */
  async #payOwed(): Promise<void> {
    const [owed] = this.#members.owed
    if (owed === undefined) return
    const { slot } = owed
    const member = this.#members.byUser.get(slot.userId)
    const from = Math.max(owed.from, member?.visibleFrom ?? 0)
    const leaveSeq = member === undefined ? slot.leftAt(this.conversationId) : member.leaveSeq
    const to = Math.min(this.#watermark as number, leaveSeq ?? Number.POSITIVE_INFINITY)
    const waiting = owed.subscribers.filter((subscriber) => slot.told.has(subscriber))
    if (from <= to && waiting.length > 0) {
      if (to - from < MAX_OWED) {
        const messages = await this.#ports.readRange(this.conversationId, from, to)
        if (this.#closed) return
        for (const message of messages) for (const subscriber of waiting) if (slot.told.has(subscriber)) this.#give(subscriber, message)
        const last = messages.at(-1)
        if (last !== undefined && last.seq < to) {
          owed.from = last.seq + 1
          return
        }
      } else for (const subscriber of waiting) subscriber.resync(0)
    }
    this.#members.owed.shift()
  }
}
