import { type ChatType, directConversationId, type Ids } from '@innerline/protocol'
import { onTestFinished } from 'vitest'
import { channelsOf } from '../../src/app/conversation-access.js'
import type { ArrangedMember } from '../../src/contract/harness.js'
import { fingerprint } from '../../src/domain/fingerprint.js'
import { previewOf } from '../../src/domain/preview.js'
import type { AppendBatch, AppendItem, AppendResult, Clock, Principal, Storage } from '../../src/ports/index.js'
import { systemIds } from '../../src/runtime/system-ids.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'
import { startTestNode, type TestNode, type TestNodeOptions } from '../support/test-node.js'
import { CallsInFlight, wrapped } from '../support/wrapped-storage.js'

/** A transaction of the host's. */
export interface HostTransaction {
  /** What `appendInTransaction` takes. */
  readonly tx: unknown
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** One storage, and what the use cases that are not built yet will do to it. */
export interface UseCaseStorage {
  /** As each of three nodes of a service reaches it. They have host transactions. */
  readonly nodes: readonly [Storage, Storage, Storage]
  begin(): Promise<HostTransaction>
  /** Makes or changes a member's row in one transaction with `entry`, as joins and leaves are entries. */
  arrangeMember(conversationId: string, userId: string, member: ArrangedMember, entry?: AppendBatch): Promise<readonly AppendResult[]>
  arrangeState(conversationId: string, state: 'open' | 'closed'): Promise<void>
  /** What the storage itself shows operators of a user, where it does. */
  shown?(userId: string): Promise<ShownToOperators>
}

/** By conversation id, conversations with none left out. */
export interface ShownToOperators {
  readonly unread: Readonly<Record<string, number>>
  /** Seqs of what no device of the user has. */
  readonly undelivered: Readonly<Record<string, readonly number[]>>
}

/** Where the tests of a run get their storages. */
export interface UseCaseBackend {
  /** Whether each storage has data of its own. Otherwise tests keep apart by ids and times of their own. */
  readonly apart: boolean
  open(clock: Clock): Promise<UseCaseStorage>
  dispose(): Promise<void>
}

export interface StageOptions {
  /** At a time that is older than every other stage's, so that what expires before it ends is its own. */
  readonly alone?: boolean
  /** The time it begins at. */
  readonly at?: number
  /** The same chance for the same seed, and the same ids too where each storage has data of its own. */
  readonly seed?: number
}

/** What a stage of a time of its own has at most; each such stage is older than those before it. */
const AGE_MS = 100_000_000
let oldest = 1_000_000_000_000

function olderThanAll(): number {
  oldest -= AGE_MS
  return oldest
}

/**
 * What one test of a use case runs on: a storage of any kind under virtual time, which waits for the storage's calls.
 * Ids are random, as the storage may be shared.
 */
export class Stage {
  private constructor(
    readonly clock: TestClock,
    readonly ids: Ids,
    /** Ends every name of this stage. */
    readonly suffix: string,
    readonly backing: UseCaseStorage,
    /** As three nodes of the service reach it. */
    readonly storages: readonly [Storage, Storage, Storage],
  ) {}

  static async open(backend: UseCaseBackend, { alone = false, at, seed }: StageOptions = {}): Promise<Stage> {
    const calls = new CallsInFlight()
    const clock = new TestClock(alone ? olderThanAll() : at, () => calls.next)
    const backing = await backend.open(clock)
    const lease = systemIds().uuid()
    const [a, b, c] = backing.nodes.map((storage) => ownLife(calls.watch(storage), lease)) as [Storage, Storage, Storage]
    // Lanes are chosen by conversation id: a play is repeated to the turn only where its ids are the same.
    if (seed !== undefined && backend.apart) return new Stage(clock, new TestIds(seed), '', backing, [a, b, c])
    const suffix = `-${systemIds().uuid().slice(24)}`
    return new Stage(clock, seed === undefined ? systemIds() : uniqueIds(seed), suffix, backing, [a, b, c])
  }

  get storage(): Storage {
    return this.storages[0]
  }

  /** The id behind a name of the test. */
  user(name: string): string {
    return name + this.suffix
  }

  principal(name: string): Principal {
    return { userId: this.user(name), userType: 'user' }
  }

  /** The conversation of two names. */
  direct(a: string, b: string): string {
    return directConversationId(this.user(a), this.user(b))
  }

  /** A node of the service, stopped when the test ends. */
  node(options: TestNodeOptions = {}): Promise<TestNode> {
    const { clock, ids, storage } = this
    return startTestNode({ storage, ids, ...options, clock })
  }

  /** Opens a conversation of these names. */
  async open(conversationId: string, chatType: ChatType, names: readonly string[]): Promise<string> {
    const userIds = names.map((name) => this.user(name))
    await this.storage.openConversation({ conversationId, chatType, userIds, nodeId: 'stage', now: this.clock.now() })
    return conversationId
  }

  /** A text, as the use case would hand it over. */
  item(conversationId: string, fromUserId: string, text = 'hello', fields: Partial<AppendItem> = {}): AppendItem {
    const body = { type: 'text', text } as const
    return {
      ...{ conversationId, msgId: this.ids.uuid(), fromUserId, kind: 'message', countable: true, checkedAt: 1 },
      ...{ hash: fingerprint({ kind: 'message', conversationId, body }), bodyJson: JSON.stringify(body), preview: previewOf(body) },
      ...{ channels: channelsOf(conversationId) },
      ...fields,
    }
  }

  batch(items: readonly AppendItem[]): AppendBatch {
    return { nodeId: 'stage', now: this.clock.now(), items }
  }

  arrangeMember(name: string, conversationId: string, member: ArrangedMember): Promise<unknown> {
    return this.backing.arrangeMember(conversationId, this.user(name), member)
  }

  /** A transaction of the host's; rolled back when the test ends. */
  async begin(): Promise<HostTransaction> {
    const transaction = await this.backing.begin()
    onTestFinished(() => transaction.rollback())
    return transaction
  }

  /** Polls until `check` passes, letting virtual time pass; after `withinMs` of it rejects with the last failure. */
  async until(check: () => void | Promise<void>, withinMs = 5_000): Promise<void> {
    const deadline = this.clock.monotonic() + withinMs
    for (;;) {
      try {
        return await check()
      } catch (failure) {
        if (this.clock.monotonic() >= deadline) throw failure
      }
      await this.clock.advance(20)
    }
  }
}

function uniqueIds(seed: number): Ids {
  const [seeded, unique] = [new TestIds(seed), systemIds()]
  return {
    random: () => seeded.random(),
    uuid() {
      // As many draws as where ids come from the seed as well, so that saved plays stay what they are.
      seeded.uuid()
      return unique.uuid()
    },
  }
}

/**
 * A shared storage outlives the nodes that would close it. Leases run out in real time where a database keeps them, so a
 * stage has its own: those of an earlier test's nodes are in nobody's way.
 */
function ownLife(storage: Storage, lease: string): Storage {
  return wrapped(storage, (method, args, call) => {
    if (method === 'close') return Promise.resolve()
    if (method !== 'acquireLease') return call(args)
    const [request] = args as Parameters<Storage['acquireLease']>
    return call([{ ...request, name: `${request.name} ${lease}` }])
  })
}

/** Gives a test its stage. */
export type OpenStage = (options?: StageOptions) => Promise<Stage>
