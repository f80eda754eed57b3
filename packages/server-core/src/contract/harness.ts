import type { Clock, Ids } from '@innerline/protocol'
import type { AppendItem, Bus, EventLog, Presence, RateLimiter, Storage, UnreadBadges } from '../ports/index.js'

/** What every harness brings: the suites own neither time nor chance. */
export interface Harness {
  /** The time of the caller's node. */
  readonly clock: Clock
  /** Unique over all runs on the same backend. */
  readonly ids: Ids
  /**
   * Lets `ms` pass on every clock the adapter and its backend look at: a virtual clock is moved, a real one waited
   * for. Also lets what is under way go on.
   */
  advance(ms: number): Promise<void>
  /** Closes what was made and removes its data. */
  dispose(): Promise<void>
}

/** An append whose transaction holds its locks and its change id and has not ended. */
export interface LateAppend {
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** Changes to a member's row as the use cases would make them, with their ords. The rest of the row stays. */
export interface ArrangedMember {
  readonly joinSeq?: number | undefined
  readonly visibleFrom?: number | undefined
  /** null = back in. */
  readonly leaveSeq?: number | null | undefined
  readonly hidden?: boolean | undefined
}

export interface StorageHarness extends Harness {
  /** A started storage on data of its own. */
  readonly storage: Storage
  /** Another started node on the same data. */
  second(): Promise<Storage>
  /** Begins an append and resolves once its change id is allocated. The item is one that will be accepted. */
  lateAppend(item: AppendItem): Promise<LateAppend>
  /** Makes or changes a member's row, raises memberVersion and writes a `members` change for the user's channel. */
  arrangeMember(conversationId: string, userId: string, member: ArrangedMember): Promise<void>
  /** Opens or closes a conversation and raises memberVersion. */
  arrangeState(conversationId: string, state: 'open' | 'closed'): Promise<void>
}

/** Three nodes, not started yet. */
export interface BusHarness extends Harness {
  readonly buses: readonly [Bus, Bus, Bus]
  /** Ends a node without its knowing, as kill -9 does. */
  kill(index: number): Promise<void>
  /** Breaks what is between the nodes until the returned function is called. Absent where that cannot be arranged. */
  interrupt?: (() => Promise<() => Promise<void>>) | undefined
}

/** Three nodes, not started yet. */
export interface PresenceHarness extends Harness {
  readonly nodes: readonly [Presence, Presence, Presence]
  /** Ends a node without its knowing: nothing of it is renewed or given back any more. */
  kill(index: number): Promise<void>
}

/** One storage and three started nodes' event logs on it. */
export interface EventLogHarness extends Harness {
  readonly storage: Storage
  readonly logs: readonly [EventLog, EventLog, EventLog]
}

export interface RateLimiterHarness extends Harness {
  readonly limiter: RateLimiter
}

export interface UnreadBadgesHarness extends Harness {
  readonly badges: UnreadBadges
}

/** Gives the harness of the running case. */
export type Current<H extends Harness> = () => H
