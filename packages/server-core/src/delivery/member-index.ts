import type { Summary } from '@innerline/protocol'
import type { PageReader } from '../app/page-reader.js'
import { type Change, userChannel } from '../domain/change.js'
import type { Bus, Clock, Logger, Membership, Storage } from '../ports/index.js'
import { BusChannels } from './bus-channels.js'
import { ConversationEntry, type EntryPorts } from './conversation-entry.js'
import { LiveMessage, type LiveBatch } from './live-message.js'
import { type LoadedMembers, userOf } from './local-members.js'
import { type Subscriber, UserSlot } from './user-slot.js'

const FILL_PAGE = 200
const OPEN_RETRY_MS = 500

export interface MemberIndexOptions {
  readonly storage: Storage
  readonly bus: Bus
  readonly pages: PageReader
  readonly clock: Clock
  readonly logger: Logger
  readonly summary: (userId: string) => Promise<Summary>
}

/**
 * What this node has to deliver: its connected users and, per conversation with any of them, who may see what and up
 * to which seq it went out. One way in for a connection: `attach`.
 */
export class MemberIndex {
  readonly #options: MemberIndexOptions
  readonly #slots = new Map<string, UserSlot>()
  readonly #entries = new Map<string, ConversationEntry>()
  readonly #channels: BusChannels
  /** Until its channel is joined, an entry's head is not read: a frame in between would come late, by the feed. */
  readonly #joined = new WeakMap<ConversationEntry, Promise<void>>()
  readonly #ports: EntryPorts

  constructor(options: MemberIndexOptions) {
    this.#options = options
    const { clock, logger } = options
    this.#channels = new BusChannels(options.bus, clock, (error) =>
      logger.warn({ err: error }, 'a bus channel could not be joined or left'),
    )
    this.#ports = {
      clock,
      logger,
      readRange: (conversationId, from, to) => this.#readRange(conversationId, from, to),
      lowSeqOf: async (conversationId) => (await options.storage.readHeads([conversationId]))[0]?.lowSeq,
      loadMembers: (conversationId, userIds) => this.#loadMembers(conversationId, userIds),
      slotOf: (userId) => this.#slots.get(userId),
      onEmpty: (entry) => this.#drop(entry),
    }
  }

  /** Bus channels joined, being joined or being left. */
  get channels(): number {
    return this.#channels.size
  }

  get conversations(): number {
    return this.#entries.size
  }

  get users(): number {
    return this.#slots.size
  }

  /** Connections of a user on this node. */
  subscribers(userId: string): Iterable<Subscriber> {
    return this.#slots.get(userId)?.subscribers ?? []
  }

  /** See KnownMembers: only a yes. */
  presentAt(conversationId: string, userId: string): number | undefined {
    const entry = this.#entries.get(conversationId)
    return entry?.isOpen === true ? entry.presentAt(userId) : undefined
  }

  /** Highest seq of a conversation this node has given out; undefined when it does not follow it. */
  headOf(conversationId: string): number | undefined {
    return this.#entries.get(conversationId)?.watermark
  }

  /**
   * Attaches a connection to the fan-out: from the resolution on it gets every message of its user's conversations
   * above the heads of the summary it was given. The order decides: attach, then memberships, then heads, then the summary;
   * a message committed meanwhile is in one of them or comes as a frame. Safe to repeat (lag, stale feed, new epoch).
   * Rejects `UNAVAILABLE` when Storage does not answer; the connection then stays attached to what was loaded.
   */
  async attach(subscriber: Subscriber): Promise<void> {
    const slot = this.#slotFor(subscriber.userId)
    slot.subscribers.add(subscriber)
    const channel = userChannel(subscriber.userId)
    const joined = this.#channels.retain(channel)
    this.#channels.release(channel)
    await joined
    const memberships = await this.#options.storage.memberships(subscriber.userId)
    if (!slot.subscribers.has(subscriber)) return
    this.#join(slot, memberships, subscriber)
    slot.told.add(subscriber)
    // Those of others' attaches too, and those that only an attach of the user's other connection has read of: one that opens after this
    // summary was read would begin above it.
    await this.#openAt(slot.entries.filter((entry) => !entry.isOpen))
    const summary = await this.#options.summary(subscriber.userId)
    if (slot.subscribers.has(subscriber)) subscriber.summarise(summary)
  }

  /** Removes a connection; the user's last one takes along what only they needed. */
  detach(subscriber: Subscriber): void {
    const slot = this.#slots.get(subscriber.userId)
    if (slot === undefined || !slot.subscribers.delete(subscriber)) return
    slot.told.delete(subscriber)
    if (slot.subscribers.size > 0) return
    this.#slots.delete(slot.userId)
    for (const entry of slot.entries) entry.remove(slot.userId)
    this.#channels.release(userChannel(slot.userId))
  }

  /** Committed messages, from this node's lane or from the bus. */
  accept(batch: LiveBatch): void {
    const { conversationId, channels, firstSeq } = batch
    const entry = this.#entries.get(conversationId) ?? this.#follow(conversationId, channels, firstSeq)
    entry?.accept(batch)
  }

  /** A row of the change feed. */
  acceptChange(change: Change): void {
    if (change.kind === 'void') return
    const { conversationId, channels, firstSeq, lastSeq, memberVersion } = change
    const entry = this.#entries.get(conversationId) ?? this.#follow(conversationId, channels, firstSeq)
    entry?.noteMembers(memberVersion, channels)
    if (lastSeq > 0) entry?.noteCommitted(lastSeq)
  }

  /** Forgets every watermark and attaches every connection again, spread over `spreadMs` (stale feed, new epoch). */
  reset(spreadMs: number): void {
    for (const entry of [...this.#entries.values()]) this.#drop(entry)
    for (const slot of this.#slots.values()) {
      slot.forget()
      for (const subscriber of slot.subscribers) subscriber.resync(spreadMs)
    }
  }

  #slotFor(userId: string): UserSlot {
    const found = this.#slots.get(userId)
    if (found !== undefined) return found
    const slot = new UserSlot(userId)
    this.#slots.set(userId, slot)
    void this.#channels.retain(userChannel(userId))
    return slot
  }

  /** Puts the user into the entries of their present memberships. */
  #join(slot: UserSlot, memberships: readonly Membership[], subscriber: Subscriber): void {
    for (const { conversationId, visibleFrom, leaveSeq, memberVersion } of memberships) {
      if (leaveSeq !== undefined) continue
      const entry = this.#entries.get(conversationId) ?? this.#create(conversationId, memberVersion)
      entry.admit(slot, visibleFrom, memberVersion, subscriber)
    }
  }

  #create(conversationId: string, memberVersion: number): ConversationEntry {
    const entry = new ConversationEntry(conversationId, memberVersion, this.#ports)
    this.#entries.set(conversationId, entry)
    const channel = ownChannel(conversationId)
    if (channel !== undefined) this.#joined.set(entry, this.#channels.retain(channel))
    return entry
  }

  #drop(entry: ConversationEntry): void {
    if (this.#entries.get(entry.conversationId) !== entry) return
    entry.close()
    this.#entries.delete(entry.conversationId)
    const channel = ownChannel(entry.conversationId)
    if (channel !== undefined) this.#channels.release(channel)
  }

  /** Reads the heads that new entries begin at. A failure here is retried by itself: others may wait on the entry. */
  async #openAt(entries: readonly ConversationEntry[]): Promise<void> {
    if (entries.length === 0) return
    try {
      await Promise.all(entries.map((entry) => this.#joined.get(entry)))
      const heads = await this.#options.storage.readHeads(entries.map((entry) => entry.conversationId))
      const byId = new Map(heads.map((head) => [head.conversationId, head]))
      for (const entry of entries) {
        const head = byId.get(entry.conversationId)
        entry.open(head?.headSeq ?? 0, head?.memberVersion)
      }
    } catch (error) {
      this.#options.clock.after(OPEN_RETRY_MS, () => {
        const waiting = entries.filter((entry) => !entry.isOpen && this.#entries.get(entry.conversationId) === entry)
        this.#openAt(waiting).catch(() => undefined)
      })
      throw error
    }
  }

  /**
   * A conversation this node does not follow: it does from now on if somebody it concerns is connected here. To those
   * who are attached it is new from `firstSeq` (0 = unknown) on, as they would have an entry otherwise; for those who are still
   * attaching it may be an old one, of which the frame is a late copy, so it begins at its head.
   */
  #follow(conversationId: string, channels: readonly string[], firstSeq: number): ConversationEntry | undefined {
    const named = channels.map((channel) => this.#slots.get(userOf(channel) ?? '')).filter((slot) => slot !== undefined)
    if (named.length === 0) return undefined
    const entry = this.#create(conversationId, 0)
    entry.noteMembers(1, channels)
    if (firstSeq > 0 && named.some((slot) => slot.told.size > 0)) entry.open(firstSeq - 1)
    else this.#openAt([entry]).catch((error: unknown) => this.#options.logger.warn({ err: error }, 'a new conversation waits for its head'))
    return entry
  }

  async #readRange(conversationId: string, from: number, to: number): Promise<readonly LiveMessage[]> {
    const slice = await this.#options.pages.read({ conversationId, from, to, direction: 'forward', limit: FILL_PAGE })
    return slice.entries.map((stored) => LiveMessage.of(stored))
  }

  async #loadMembers(conversationId: string, userIds: readonly string[]): Promise<LoadedMembers | undefined> {
    const loaded = await this.#options.storage.readMembers(conversationId, userIds)
    return loaded && { memberVersion: loaded.head.memberVersion, members: loaded.members }
  }
}

/** Groups and service sessions have a channel of their own; direct chats go to their two users. */
function ownChannel(conversationId: string): string | undefined {
  return conversationId.startsWith('d~') ? undefined : `group:${conversationId.slice(2)}`
}
