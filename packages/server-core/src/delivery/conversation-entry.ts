import type { Cancel, Clock, Logger } from '../ports/index.js'
import { lastSeqOf, type LiveBatch, type LiveMessage } from './live-message.js'
import type { UserSlot } from './user-slot.js'

const HOLD_MS = 100
const MAX_HELD = 1_000
const RETRY_MS = [100, 250, 500, 1_000, 2_000] as const

/** A member with connections on this node, and what they may see. */
export interface LocalMember {
  readonly slot: UserSlot
  readonly visibleFrom: number
  readonly leaveSeq: number | undefined
}

export interface LoadedMembers {
  readonly memberVersion: number
  readonly members: readonly { readonly userId: string; readonly visibleFrom: number; readonly leaveSeq?: number | undefined }[]
}

/** What an entry needs from around it. */
export interface EntryPorts {
  readonly clock: Clock
  readonly logger: Logger
  /** Messages of `[from, to]` in order, as far as one page goes; starts above `from` only where retention has cut. */
  readonly readRange: (conversationId: string, from: number, to: number) => Promise<readonly LiveMessage[]>
  /** Members among the entry's local users and those `channels` name; undefined when the conversation is not there. */
  readonly loadMembers: (entry: ConversationEntry, channels: readonly string[]) => Promise<LoadedMembers | undefined>
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
  readonly members: Map<string, LocalMember> = new Map()
  memberVersion: number
  readonly #ports: EntryPorts
  /** Undefined until the head has been read after the attach. */
  #watermark: number | undefined
  /** Highest seq known to be committed. */
  #known = 0
  #fillNow = false
  #held: LiveBatch[] = []
  #heldCount = 0
  #cancelHold: Cancel | undefined
  /** A load or read is running; everything else waits, so that work per conversation is serial. */
  #busy = false
  #failures = 0
  #closed = false
  /** Members changed at this version, named on these channels, and have not been read yet. */
  #reload: { version: number; channels: Set<string> } | undefined

  constructor(conversationId: string, memberVersion: number, ports: EntryPorts) {
    this.conversationId = conversationId
    this.memberVersion = memberVersion
    this.#ports = ports
  }

  get isOpen(): boolean {
    return this.#watermark !== undefined
  }

  /** Seq up to which local members have been given the conversation. */
  get watermark(): number | undefined {
    return this.#watermark
  }

  /** Begins at `seq`: the head read after the attach, or the seq before the frame that made the entry. */
  open(seq: number): void {
    if (this.#watermark !== undefined || this.#closed) return
    this.#watermark = seq
    this.#advance()
  }

  /** Adds or updates a local member as of a load at `memberVersion`; a load older than the entry is read again. */
  put(userId: string, member: LocalMember, memberVersion: number): void {
    if (memberVersion < this.memberVersion && this.members.has(userId)) return
    this.members.set(userId, member)
    member.slot.entries.add(this)
    if (memberVersion < this.memberVersion) this.noteMembers(this.memberVersion, [], true)
    else this.memberVersion = memberVersion
  }

  remove(userId: string): void {
    const member = this.members.get(userId)
    if (member === undefined) return
    this.members.delete(userId)
    member.slot.entries.delete(this)
    if (this.members.size === 0) this.#ports.onEmpty(this)
  }

  /** Takes committed messages from the lane, the bus or a read. */
  accept(batch: LiveBatch): void {
    if (this.#closed) return
    const last = lastSeqOf(batch)
    if (last > this.#known) this.#known = last
    const w = this.#watermark
    if (
      w !== undefined &&
      !this.#busy &&
      this.#held.length === 0 &&
      batch.memberVersion <= this.memberVersion &&
      this.#reload === undefined
    ) {
      if (last <= w) return
      if (batch.firstSeq <= w + 1) {
        this.#dispatch(batch.messages)
        return
      }
    }
    this.#hold(batch)
    this.#advance()
  }

  /** The change feed says that everything up to `seq` is committed: what is missing is read now, without a wait. */
  noteCommitted(seq: number): void {
    if (seq > this.#known) this.#known = seq
    if (this.#watermark === undefined || seq <= this.#watermark) return
    this.#fillNow = true
    this.#advance()
  }

  /** Members or rights have moved: they are read before anything more is dispatched. */
  noteMembers(version: number, channels: readonly string[], force = false): void {
    if (version <= this.memberVersion && !force) return
    this.#reload ??= { version, channels: new Set() }
    this.#reload.version = Math.max(this.#reload.version, version)
    for (const channel of channels) this.#reload.channels.add(channel)
    this.#advance()
  }

  close(): void {
    this.#closed = true
    this.#held = []
    this.#cancelHold?.()
  }

  #hold(batch: LiveBatch): void {
    if (this.#heldCount + batch.messages.length > MAX_HELD) {
      // The log has them: knowing the head is enough, and memory stays bounded.
      this.#held = []
      this.#heldCount = 0
      this.#fillNow = true
    } else {
      this.#held.push(batch)
      this.#heldCount += batch.messages.length
    }
    if (batch.memberVersion > this.memberVersion) {
      this.#reload ??= { version: batch.memberVersion, channels: new Set() }
      this.#reload.version = Math.max(this.#reload.version, batch.memberVersion)
      for (const channel of batch.channels) this.#reload.channels.add(channel)
    }
  }

  /** Does what can be done at once; starts at most one load or read. */
  #advance(): void {
    if (this.#busy || this.#closed || this.#watermark === undefined) return
    if (this.#reload !== undefined) {
      void this.#work(() => this.#loadMembers())
      return
    }
    this.#dispatchHeld()
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
      const w = this.#watermark as number
      const at = this.#held.findIndex((batch) => batch.firstSeq <= w + 1)
      if (at < 0) break
      const [batch] = this.#held.splice(at, 1) as [LiveBatch]
      this.#heldCount -= batch.messages.length
      if (lastSeqOf(batch) > w) this.#dispatch(batch.messages)
    }
    if (this.#known <= (this.#watermark as number)) {
      this.#cancelHold?.()
      this.#cancelHold = undefined
    }
  }

  #dispatch(messages: readonly LiveMessage[]): void {
    for (const message of messages) {
      if (message.seq <= (this.#watermark as number)) continue
      this.#watermark = message.seq
      for (const [userId, member] of this.members) {
        if (message.seq < member.visibleFrom) continue
        if (member.leaveSeq !== undefined && message.seq >= member.leaveSeq) {
          if (message.seq === member.leaveSeq) for (const subscriber of member.slot.subscribers) subscriber.deliver(message)
          this.remove(userId)
          continue
        }
        for (const subscriber of member.slot.subscribers) subscriber.deliver(message)
      }
    }
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
    this.#advance()
  }

  /** Reads one page of the hole; `#advance` comes back for the rest. */
  async #fill(): Promise<void> {
    const from = (this.#watermark as number) + 1
    const firstHeld = this.#held.reduce((lowest, batch) => Math.min(lowest, batch.firstSeq), Number.MAX_SAFE_INTEGER)
    const messages = await this.#ports.readRange(this.conversationId, from, Math.min(this.#known, firstHeld - 1))
    if (messages.length === 0) throw new Error('the log does not have what the feed names yet')
    this.#dispatch(messages)
  }

  async #loadMembers(): Promise<void> {
    const wanted = this.#reload as { version: number; channels: Set<string> }
    const loaded = await this.#ports.loadMembers(this, [...wanted.channels])
    if (loaded === undefined || loaded.memberVersion < wanted.version) throw new Error('the members read are older than the change')
    // What was noted while the load ran stays wanted, unless the load has seen it.
    if (this.#reload === wanted && wanted.version <= loaded.memberVersion) this.#reload = undefined
    this.memberVersion = Math.max(this.memberVersion, loaded.memberVersion)
    for (const { userId, visibleFrom, leaveSeq } of loaded.members) {
      const slot = this.#ports.slotOf(userId)
      if (slot === undefined) continue
      if (leaveSeq !== undefined && leaveSeq <= (this.#watermark as number)) this.remove(userId)
      else this.put(userId, { slot, visibleFrom, leaveSeq }, loaded.memberVersion)
    }
    if (this.members.size === 0) this.#ports.onEmpty(this)
  }
}
