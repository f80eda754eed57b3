import type { Summary } from '@innerline/protocol'
import type { PageReader } from '../app/page-reader.js'
import { type Change, userChannel } from '../domain/change.js'
import type { Bus, Clock, Logger, Membership, Storage } from '../ports/index.js'
import { BusChannels } from './bus-channels.js'
import { ConversationEntry, type EntryPorts, type LoadedMembers } from './conversation-entry.js'
import { LiveMessage, type LiveBatch } from './live-message.js'
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
  /** Until its channel is joined, an entry's head must not be read: a frame in between would be lost. */
  readonly #joined = new WeakMap<ConversationEntry, Promise<void>>()
  readonly #ports: EntryPorts

  constructor(options: MemberIndexOptions) {
    this.#options = options
    const { clock, logger } = options
    this.#channels = new BusChannels(options.bus, (error) => logger.warn({ err: error }, 'a bus channel could not be joined or left'))
    this.#ports = {
      clock,
      logger,
      readRange: (conversationId, from, to) => this.#readRange(conversationId, from, to),
      loadMembers: (entry, channels) => this.#loadMembers(entry, channels),
      slotOf: (userId) => this.#slots.get(userId),
      onEmpty: (entry) => this.#drop(entry),
    }
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
    if (entry?.isOpen !== true) return undefined
    const member = entry.members.get(userId)
    return member === undefined || member.leaveSeq !== undefined ? undefined : entry.memberVersion
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
    await this.#channels.retain(userChannel(subscriber.userId))
    this.#channels.release(userChannel(subscriber.userId))
    const memberships = await this.#options.storage.memberships(subscriber.userId)
    if (!slot.subscribers.has(subscriber)) return
    const fresh = this.#join(slot, memberships)
    await Promise.all(fresh.map((entry) => this.#joined.get(entry)))
    await this.#openAt(fresh)
    const summary = await this.#options.summary(subscriber.userId)
    if (slot.subscribers.has(subscriber)) subscriber.summarise(summary)
  }

  /** Removes a connection; the user's last one takes along what only they needed. */
  detach(subscriber: Subscriber): void {
    const slot = this.#slots.get(subscriber.userId)
    if (slot === undefined || !slot.subscribers.delete(subscriber) || slot.subscribers.size > 0) return
    this.#slots.delete(slot.userId)
    for (const entry of [...slot.entries]) entry.remove(slot.userId)
    this.#channels.release(userChannel(slot.userId))
  }

  /** Committed messages, from this node's lane or from the bus. */
  accept(batch: LiveBatch): void {
    const entry = this.#entries.get(batch.conversationId) ?? this.#entryForFrame(batch.conversationId, batch.channels, batch.firstSeq)
    entry?.accept(batch)
  }

  /** A row of the change feed. */
  acceptChange(change: Change): void {
    if (change.kind === 'void') return
    const entry = this.#entries.get(change.conversationId)
    if (change.kind === 'entries') {
      const followed = entry ?? this.#entryForFrame(change.conversationId, change.channels, change.firstSeq)
      followed?.noteMembers(change.memberVersion, change.channels)
      followed?.noteCommitted(change.lastSeq)
      return
    }
    entry?.noteMembers(change.memberVersion, change.channels)
  }

  /** Forgets every watermark and attaches every connection again, spread over `spreadMs` (stale feed, new epoch). */
  reset(spreadMs: number): void {
    for (const entry of [...this.#entries.values()]) for (const userId of [...entry.members.keys()]) entry.remove(userId)
    for (const slot of this.#slots.values()) for (const subscriber of slot.subscribers) subscriber.resync(spreadMs)
  }

  #slotFor(userId: string): UserSlot {
    const found = this.#slots.get(userId)
    if (found !== undefined) return found
    const slot = new UserSlot(userId)
    this.#slots.set(userId, slot)
    void this.#channels.retain(userChannel(userId))
    return slot
  }

  /** Puts the user into the entries of their present memberships; returns those made by this. */
  #join(slot: UserSlot, memberships: readonly Membership[]): readonly ConversationEntry[] {
    const fresh: ConversationEntry[] = []
    for (const { conversationId, visibleFrom, leaveSeq, memberVersion } of memberships) {
      if (leaveSeq !== undefined) continue
      let entry = this.#entries.get(conversationId)
      if (entry === undefined) {
        entry = this.#create(conversationId, memberVersion)
        fresh.push(entry)
      }
      entry.put(slot.userId, { slot, visibleFrom, leaveSeq }, memberVersion)
    }
    return fresh
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
      const heads = await this.#options.storage.readHeads(entries.map((entry) => entry.conversationId))
      const seqs = new Map(heads.map((head) => [head.conversationId, head.headSeq]))
      for (const entry of entries) entry.open(seqs.get(entry.conversationId) ?? 0)
    } catch (error) {
      this.#options.clock.after(OPEN_RETRY_MS, () => {
        const waiting = entries.filter((entry) => !entry.isOpen && this.#entries.get(entry.conversationId) === entry)
        this.#openAt(waiting).catch(() => undefined)
      })
      throw error
    }
  }

  /** A conversation this node does not follow: it does from now on if somebody it concerns is connected here. */
  #entryForFrame(conversationId: string, channels: readonly string[], firstSeq: number): ConversationEntry | undefined {
    if (!channels.some((channel) => channel.startsWith('user:') && this.#slots.has(channel.slice(5)))) return undefined
    const entry = this.#create(conversationId, 0)
    entry.noteMembers(1, channels)
    entry.open(firstSeq - 1)
    return entry
  }

  async #readRange(conversationId: string, from: number, to: number): Promise<readonly LiveMessage[]> {
    const slice = await this.#options.pages.read({ conversationId, from, to, direction: 'forward', limit: FILL_PAGE })
    return slice.entries.map((stored) => LiveMessage.of(stored))
  }

  async #loadMembers(entry: ConversationEntry, channels: readonly string[]): Promise<LoadedMembers | undefined> {
    const named = channels.filter((channel) => channel.startsWith('user:')).map((channel) => channel.slice(5))
    const userIds = [...new Set([...entry.members.keys(), ...named])].filter((userId) => this.#slots.has(userId))
    const loaded = await this.#options.storage.readMembers(entry.conversationId, userIds)
    if (loaded === undefined) return undefined
    return { memberVersion: loaded.head.memberVersion, members: loaded.members }
  }
}

/** Groups and service sessions have a channel of their own; direct chats go to their two users. */
function ownChannel(conversationId: string): string | undefined {
  return conversationId.startsWith('d~') ? undefined : `group:${conversationId.slice(2)}`
}
