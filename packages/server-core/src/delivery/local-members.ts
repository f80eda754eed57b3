import type { Subscriber, UserSlot } from './user-slot.js'

/** A member with connections on this node, and what they may see. */
export interface LocalMember {
  readonly slot: UserSlot
  readonly visibleFrom: number
  readonly leaveSeq: number | undefined
  /** The memberVersion this was read at. */
  readonly version: number
}

/** Rows of some members as of one memberVersion. */
export interface LoadedMembers {
  readonly memberVersion: number
  readonly members: readonly {
    readonly userId: string
    readonly joinSeq: number
    readonly visibleFrom: number
    readonly leaveSeq?: number | undefined
  }[]
}

/** A change of members that has not been read yet. */
export interface WantedLoad {
  version: number
  readonly channels: Set<string>
}

/** Connections that have not been told of a conversation, and from which seq on it is news to them. */
export interface OwedRange {
  readonly slot: UserSlot
  readonly subscribers: readonly Subscriber[]
  from: number
}

/** The members of one conversation that are connected here, and what is not known of them yet. */
export class LocalMembers {
  readonly byUser: Map<string, LocalMember> = new Map()
  /** What members must be given before anything new goes out, first to last. */
  readonly owed: OwedRange[] = []
  readonly #conversationId: string
  readonly #slotOf: (userId: string) => UserSlot | undefined
  /** Every member here is known as of this version, or newer. */
  #version: number
  #wanted: WantedLoad | undefined

  constructor(conversationId: string, version: number, slotOf: (userId: string) => UserSlot | undefined) {
    this.#conversationId = conversationId
    this.#version = version
    this.#slotOf = slotOf
  }

  /** Whether something has to be read before messages may go out. */
  get isBehind(): boolean {
    return this.#wanted !== undefined
  }

  /** The version at which this user was a present member; undefined when that is not known. */
  presentAt(userId: string): number | undefined {
    const member = this.byUser.get(userId)
    return member === undefined || member.leaveSeq !== undefined ? undefined : member.version
  }

  /**
   * Notes a change at `version` that concerns those on `channels`; false when all of it is known. A named user who is not
   * known as a member is always news: the version alone may have been seen with a frame that did not name them.
   */
  note(version: number, channels: readonly string[]): boolean {
    if (version <= this.#version && !channels.some((channel) => this.#isNews(channel))) return false
    this.want(version, channels)
    return true
  }

  want(version: number, channels: Iterable<string>): void {
    this.#wanted ??= { version, channels: new Set() }
    this.#wanted.version = Math.max(this.#wanted.version, version)
    for (const channel of channels) this.#wanted.channels.add(channel)
  }

  /** What is to be read now. What is noted from here on is read again: this load may have looked before. */
  takeWanted(): WantedLoad | undefined {
    const wanted = this.#wanted
    this.#wanted = undefined
    return wanted
  }

  /** The users a load is about: members here, and who is named and connected here. */
  concernedBy(wanted: WantedLoad): readonly string[] {
    const userIds = new Set(this.byUser.keys())
    for (const channel of wanted.channels) {
      const userId = userOf(channel)
      if (userId !== undefined && this.#slotOf(userId) !== undefined) userIds.add(userId)
    }
    return [...userIds]
  }

  /** A present member as an attach of `subscriber` has read it; the user's other connections have not been told of it. */
  admit(slot: UserSlot, visibleFrom: number, version: number, subscriber: Subscriber): void {
    const known = this.byUser.get(slot.userId)
    if (known !== undefined && known.version >= version) return
    if (known === undefined) this.#owe(slot, visibleFrom, subscriber)
    this.#set(slot, visibleFrom, undefined, version)
    if (version === this.#version) return
    if (version > this.#version && this.byUser.size === 1 && !this.isBehind) this.#version = version
    // An older reading than the others' is read again; a newer one says that theirs is old.
    else this.want(Math.max(version, this.#version), [])
  }

  /** Takes a load in; up to `watermark` the conversation has gone out. */
  apply(loaded: LoadedMembers, watermark: number): void {
    const { memberVersion } = loaded
    this.#version = Math.max(this.#version, memberVersion)
    for (const { userId, joinSeq, visibleFrom, leaveSeq } of loaded.members) {
      const slot = this.#slotOf(userId)
      const known = this.byUser.get(userId)
      if (slot === undefined || (known !== undefined && known.version > memberVersion)) continue
      if (leaveSeq !== undefined && known === undefined) this.#tellLeft(slot, leaveSeq)
      else if (leaveSeq !== undefined && leaveSeq <= watermark) this.leave(userId, leaveSeq)
      else {
        if (known === undefined) this.#owe(slot, Math.max(joinSeq, visibleFrom))
        this.#set(slot, visibleFrom, leaveSeq, memberVersion)
      }
    }
  }

  /** The member has been given everything they may see. */
  leave(userId: string, leaveSeq: number): void {
    this.byUser.get(userId)?.slot.leave(this.#conversationId, leaveSeq)
    this.byUser.delete(userId)
  }

  #set(slot: UserSlot, visibleFrom: number, leaveSeq: number | undefined, version: number): void {
    this.byUser.set(slot.userId, { slot, visibleFrom, leaveSeq, version })
  }

  #owe(slot: UserSlot, visibleFrom: number, except?: Subscriber): void {
    const subscribers = [...slot.told].filter((subscriber) => subscriber !== except)
    const from = Math.max(visibleFrom, (slot.leftAt(this.#conversationId) ?? 0) + 1)
    if (subscribers.length > 0) this.owed.push({ slot, subscribers, from })
  }

  /** Somebody who came and went unseen: a summary says how far they may see, once. */
  #tellLeft(slot: UserSlot, leaveSeq: number): void {
    if ((slot.leftAt(this.#conversationId) ?? 0) >= leaveSeq) return
    slot.leave(this.#conversationId, leaveSeq)
    for (const subscriber of slot.told) subscriber.resync(0)
  }

  #isNews(channel: string): boolean {
    const userId = userOf(channel)
    return userId !== undefined && !this.byUser.has(userId) && this.#slotOf(userId) !== undefined
  }
}

/** The user a channel is of; undefined for other channels. */
export const userOf = (channel: string): string | undefined => (channel.startsWith('user:') ? channel.slice(5) : undefined)
