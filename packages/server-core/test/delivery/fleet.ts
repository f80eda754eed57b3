import { directConversationId, groupConversationId, type Ids, type Summary } from '@innerline/protocol'
import { onTestFinished } from 'vitest'
import { CommittedPublisher, type LiveMessage, type Subscriber } from '../../src/delivery/index.js'
import { fingerprint } from '../../src/domain/fingerprint.js'
import { createNode, type Node } from '../../src/node.js'
import { takeBusFrame } from '../../src/node-life.js'
import { resolveOptions } from '../../src/options.js'
import type { ArrangedMember } from '../../src/contract/harness.js'
import type { AppendBatch, AppendItem, AppendResult, Bus, Storage } from '../../src/ports/index.js'
import type { TestClock } from '../support/test-clock.js'
import { type Gate, gated } from '../support/wrapped-storage.js'
import type { HostTransaction, Stage } from '../use-cases/stage.js'
import { type ConversationView, faultsOf } from './checker.js'
import { Wire } from './wire.js'

export type Seen =
  | { readonly kind: 'attach' | 'attached' | 'refused'; readonly attempt: number }
  | { readonly kind: 'resync' }
  | { readonly kind: 'summary'; readonly heads: ReadonlyMap<string, number>; readonly epoch: number }
  | { readonly kind: 'message'; readonly conversationId: string; readonly seq: number }

/** A connection that writes down what it is given, and comes again as the gateway's do. */
export class Recorder implements Subscriber {
  readonly seen: Seen[] = []
  readonly hints: { readonly key: string; readonly json: string }[] = []
  gone = false
  #attempts = 0

  constructor(
    readonly userId: string,
    readonly node: FleetNode,
  ) {}

  deliver(message: LiveMessage): void {
    this.seen.push({ kind: 'message', conversationId: message.conversationId, seq: message.seq })
  }

  summarise(summary: Summary): void {
    const heads = new Map(summary.conversations.map((conversation) => [conversation.conversationId, conversation.headSeq]))
    this.seen.push({ kind: 'summary', heads, epoch: summary.epoch })
  }

  hint(key: string, json: string): void {
    this.hints.push({ key, json })
  }

  resync(spreadMs: number): void {
    this.seen.push({ kind: 'resync' })
    this.node.clock.after(this.node.ids.random() * spreadMs, () => this.reattach())
  }

  /** Rejects as MemberIndex.attach does. */
  async attach(): Promise<void> {
    const attempt = this.#attempts++
    this.seen.push({ kind: 'attach', attempt })
    try {
      await this.node.index.attach(this)
      this.seen.push({ kind: 'attached', attempt })
    } catch (error) {
      this.seen.push({ kind: 'refused', attempt })
      throw error
    }
  }

  /** Attaches until it succeeds. */
  reattach(): void {
    if (this.gone) return
    this.attach().catch(() => this.node.clock.after(700, () => this.reattach()))
  }

  detach(): void {
    this.gone = true
    this.node.index.detach(this)
  }

  /** Seqs delivered of a conversation, in order of arrival. */
  seqs(conversationId: string): readonly number[] {
    return this.seen.flatMap((seen) => (seen.kind === 'message' && seen.conversationId === conversationId ? [seen.seq] : []))
  }

  /** The head that the newest summary named. */
  summaryHead(conversationId: string): number | undefined {
    const newest = this.seen.findLast((seen) => seen.kind === 'summary')
    return newest?.kind === 'summary' ? newest.heads.get(conversationId) : undefined
  }

  get resyncs(): number {
    return this.seen.filter((seen) => seen.kind === 'resync').length
  }
}

export interface FleetNode extends Node {
  readonly clock: TestClock
  readonly ids: Ids
  readonly gate: Gate
  readonly publisher: CommittedPublisher
  /** Calls of each storage method. */
  readonly calls: Map<string, number>
  /** Ends the node as kill -9 does. */
  kill(): Promise<void>
}

/** What a fleet stands on. */
export type Ground = Pick<Stage, 'clock' | 'ids' | 'suffix' | 'storages' | 'backing'>

/** Several nodes over one storage and one wire, under one virtual clock. Names are the test's; ids carry the ground's suffix. */
export class Fleet {
  readonly clock: TestClock
  readonly ids: Ids
  readonly wire = new Wire()
  readonly nodes: FleetNode[] = []
  /** The storage itself, behind no gate. */
  readonly storage: Storage
  readonly recorders: Recorder[] = []
  readonly logged: { readonly level: string; readonly message: string | undefined; readonly fields: object }[] = []

  /** What users could see of groups by `join` and `leave`, by `conversationId userId`; the checker asks. */
  readonly spans = new Map<string, { readonly from: number; to: number }[]>()

  /** Every conversation the test has made or written to: what a user is in is not asked of the storage that is judged. */
  readonly #conversationIds = new Set<string>()
  readonly #late: HostTransaction[] = []

  constructor(readonly ground: Ground) {
    this.clock = ground.clock
    this.ids = ground.ids
    this.storage = ground.storages[0]
  }

  /** Nodes on a stage. */
  static on(stage: Ground, nodes: number, { stopWithTest = true } = {}): Promise<Fleet> {
    return new Fleet(stage).started(nodes, stopWithTest)
  }

  async started(nodes: number, stopWithTest: boolean): Promise<this> {
    for (let i = 0; i < nodes; i++) await this.addNode()
    if (stopWithTest) onTestFinished(() => this.stop())
    return this
  }

  user(name: string): string {
    return name + this.ground.suffix
  }

  directId(a: string, b: string): string {
    return directConversationId(this.user(a), this.user(b))
  }

  async addNode(bus: Bus = this.wire.bus()): Promise<FleetNode> {
    const { clock, ids } = this
    const gate: Gate = {}
    const calls = new Map<string, number>()
    const counting: Gate = {
      before(method, args) {
        calls.set(method, (calls.get(method) ?? 0) + 1)
        return gate.before?.(method, args)
      },
      after: (method, result) => gate.after?.(method, result),
      answer: (method, result) => (gate.answer === undefined ? result : gate.answer(method, result)),
    }
    const { storages } = this.ground
    const storage = gated(storages[this.nodes.length % storages.length] as Storage, counting)
    const log = (level: string) => (fields: object, message?: string) => void this.logged.push({ level, fields, message })
    const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
    const node = createNode(resolveOptions({ authenticate: () => null, storage, bus, clock, ids, logger }))
    const { index, feedReader, feedKeeper, epoch } = node
    node.bus.onMessage((_channel, bytes) => void takeBusFrame(node, bytes))
    node.bus.onInterrupted(() => void feedReader.readNow())
    await node.bus.start()
    epoch.current = (await feedReader.start()).epoch
    feedKeeper.start()
    const kill = async (): Promise<void> => {
      await node.bus.close()
      await Promise.all([feedReader.stop(), feedKeeper.stop()])
    }
    const member: FleetNode = {
      ...node,
      clock,
      ids,
      gate,
      calls,
      kill,
      publisher: new CommittedPublisher(index, node.bus, logger, () => epoch.current),
    }
    this.nodes.push(member)
    return member
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) {
      node.gate.before = undefined
      node.gate.after = undefined
      node.gate.answer = undefined
    }
    // Where a test failed before it ended them: they would lock their heads until the run is over.
    for (const transaction of this.#late) await transaction.rollback()
    const stopped = Promise.all(this.nodes.map((node) => node.kill()))
    await this.clock.advance(10_000)
    await stopped
  }

  node(i: number): FleetNode {
    const node = this.nodes[i]
    if (node === undefined) throw new RangeError(`There is no node ${i}.`)
    return node
  }

  recorder(node: number, name: string): Recorder {
    const recorder = new Recorder(this.user(name), this.node(node))
    this.recorders.push(recorder)
    return recorder
  }

  /** An attached connection. */
  async attached(node: number, name: string): Promise<Recorder> {
    const recorder = this.recorder(node, name)
    await recorder.attach()
    return recorder
  }

  /** Sends a direct message through the use case; resolves with its seq when it is acknowledged. */
  async direct(node: number, from: string, to: string): Promise<number> {
    this.#conversationIds.add(this.directId(from, to))
    const request = { toUserId: this.user(to), msgId: this.ids.uuid(), body: { type: 'text' as const, text: 'hello' } }
    const sender = { userId: this.user(from), userType: 'user' } as const
    return (await this.node(node).send.execute(sender, request, undefined, { trusted: true })).seq
  }

  /** Opens a group; returns its conversation id. */
  async group(name: string, names: readonly string[]): Promise<string> {
    const conversationId = groupConversationId(this.user(name))
    this.#conversationIds.add(conversationId)
    const userIds = names.map((member) => this.user(member))
    for (const userId of userIds) this.spans.set(`${conversationId} ${userId}`, [{ from: 1, to: Number.POSITIVE_INFINITY }])
    await this.storage.openConversation({ conversationId, chatType: 'group', userIds, nodeId: 'test', now: this.clock.now() })
    return conversationId
  }

  /** Appends one entry in one step and, unless it is to be silent, publishes it as the node's lane would. Returns its seq. */
  async append(node: number, conversationId: string, fields: Partial<AppendItem> = {}, how: { silent?: boolean } = {}): Promise<number> {
    const batch = this.#batch(node, [this.item(conversationId, fields)])
    return this.#told(node, batch, await this.storage.appendMessages(batch), how)
  }

  /** As `append`, for many in one batch. Returns the last seq. */
  async appendMany(node: number, conversationId: string, count: number, how: { silent?: boolean } = {}): Promise<number> {
    const batch = this.#batch(
      node,
      Array.from({ length: count }, () => this.item(conversationId)),
    )
    return this.#told(node, batch, await this.storage.appendMessages(batch), how)
  }

  /** Begins an append of the host's whose end is left to the caller: it keeps its head locked and its change id unseen. */
  async late(node: number, conversationId: string): Promise<HostTransaction> {
    const transaction = await this.ground.backing.begin()
    this.#late.push(transaction)
    const results = await this.storage.appendInTransaction?.(transaction.tx, this.#batch(node, [this.item(conversationId)]))
    if (results?.[0]?.ok !== true) throw new Error(`A late append was refused: ${JSON.stringify(results)}`)
    return transaction
  }

  item(conversationId: string, fields: Partial<AppendItem> = {}): AppendItem {
    const channels = conversationId.startsWith('d~')
      ? conversationId
          .slice(2)
          .split('~')
          .map((userId) => `user:${userId}`)
      : [`group:${conversationId.slice(2)}`]
    const body = { type: 'text', text: 'hello' } as const
    return {
      ...{ conversationId, msgId: this.ids.uuid(), fromUserId: 'system', kind: 'system', countable: false, preview: 'hello' },
      ...{ bodyJson: JSON.stringify(body), hash: fingerprint({ kind: 'message', conversationId, body }), checkedAt: 0, channels },
      ...fields,
    }
  }

  /** Lets a user in as the use case would: row and entry in one step, the entry naming the user's channel. Returns the joining seq. */
  async join(node: number, conversationId: string, name: string, how: { silent?: boolean; history?: boolean } = {}): Promise<number> {
    const seq = (await this.#headSeq(conversationId)) + 1
    const visibleFrom = how.history ? 1 : seq
    const key = `${conversationId} ${this.user(name)}`
    this.spans.set(key, [...(this.spans.get(key) ?? []), { from: visibleFrom, to: Number.POSITIVE_INFINITY }])
    return this.#move(node, conversationId, name, { joinSeq: seq, visibleFrom, leaveSeq: null }, how)
  }

  /** Lets a user go; the leaving entry is the last one they may see. Returns its seq. */
  async leave(node: number, conversationId: string, name: string, how: { silent?: boolean } = {}): Promise<number> {
    const seq = (await this.#headSeq(conversationId)) + 1
    const span = this.spans.get(`${conversationId} ${this.user(name)}`)?.at(-1)
    if (span !== undefined) span.to = seq
    return this.#move(node, conversationId, name, { leaveSeq: seq }, how)
  }

  /** What is wrong with what the connections that are still there were given; empty = nothing. */
  async faults(): Promise<readonly string[]> {
    const present = this.recorders.filter((recorder) => !recorder.gone)
    const view = await this.#view(present)
    return present.flatMap((recorder) => faultsOf(recorder, view, this.spans))
  }

  /** Lets everything under way end and every node read the feed. */
  async quiet(ms = 5_000): Promise<void> {
    await this.clock.advance(ms)
  }

  #batch(node: number, items: readonly AppendItem[]): AppendBatch {
    return { nodeId: this.node(node).nodeId, now: this.clock.now(), items }
  }

  #told(node: number, { items }: AppendBatch, results: readonly AppendResult[], { silent = false }: { silent?: boolean }): number {
    const last = results[results.length - 1]
    if (last?.ok !== true) throw new Error(`The entry was refused: ${last?.code}`)
    const { publisher, epoch } = this.node(node)
    if (!silent) publisher.publish(items, results, epoch.current)
    return last.seq
  }

  async #headSeq(conversationId: string): Promise<number> {
    return (await this.storage.readHeads([conversationId]))[0]?.headSeq ?? 0
  }

  async #move(node: number, conversationId: string, name: string, member: ArrangedMember, how: { silent?: boolean }): Promise<number> {
    const userId = this.user(name)
    const batch = this.#batch(node, [this.item(conversationId, { channels: [`group:${conversationId.slice(2)}`, `user:${userId}`] })])
    return this.#told(node, batch, await this.ground.backing.arrangeMember(conversationId, userId, member, batch), how)
  }

  /** Every conversation of the test, and of which these connections were given something. */
  async #view(recorders: readonly Recorder[]): Promise<ReadonlyMap<string, ConversationView>> {
    const userIds = [...new Set(recorders.map((recorder) => recorder.userId))]
    const ids = new Set(this.#conversationIds)
    for (const { seen } of recorders) for (const one of seen) if (one.kind === 'message') ids.add(one.conversationId)
    const view = new Map<string, ConversationView>()
    for (const conversationId of ids) {
      const read = await this.storage.readMembers(conversationId, userIds)
      if (read === undefined) continue
      view.set(conversationId, { head: read.head, members: new Map(read.members.map((member) => [member.userId, member])) })
    }
    return view
  }
}
