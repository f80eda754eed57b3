import { groupConversationId, type Summary } from '@innerline/protocol'
import { onTestFinished } from 'vitest'
import { CommittedPublisher, type LiveMessage, type Subscriber } from '../../src/delivery/index.js'
import { fingerprint } from '../../src/domain/fingerprint.js'
import { memoryControls, type MemoryControls } from '../../src/memory/controls.js'
import { createMemoryData, type MemoryData } from '../../src/memory/data.js'
import { memoryStorage } from '../../src/memory/storage.js'
import { createNode, type Node } from '../../src/node.js'
import { takeBusFrame } from '../../src/node-life.js'
import { resolveOptions } from '../../src/options.js'
import type { AppendItem, Bus, Storage } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'
import { faultsOf } from './checker.js'
import { Wire } from './wire.js'

/** What stands between a node and its storage: may delay, hold or reject any call. */
export interface Gate {
  before?: ((method: string, args: readonly unknown[]) => Promise<void> | void) | undefined
  after?: ((method: string, result: unknown) => Promise<void> | void) | undefined
  /** Puts another answer in the place of the storage's. */
  answer?: ((method: string, result: unknown) => unknown) | undefined
}

/** The same storage behind a gate. */
export function gated(storage: Storage, gate: Gate): Storage {
  return new Proxy(storage, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function' || typeof name !== 'string') return value
      return async (...args: unknown[]): Promise<unknown> => {
        if (gate.before !== undefined) await gate.before(name, args)
        const result: unknown = await value.apply(target, args)
        if (gate.after !== undefined) await gate.after(name, result)
        return gate.answer === undefined ? result : gate.answer(name, result)
      }
    },
  })
}

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
  readonly ids: TestIds
  readonly gate: Gate
  readonly publisher: CommittedPublisher
  /** Calls of each storage method. */
  readonly calls: Map<string, number>
  /** Ends the node as kill -9 does. */
  kill(): Promise<void>
}

/** Several nodes over one memory storage and one wire, under one virtual clock. */
export class Fleet {
  readonly clock = new TestClock()
  readonly ids: TestIds
  readonly data: MemoryData = createMemoryData()
  readonly wire = new Wire()
  readonly nodes: FleetNode[] = []
  /** The storage itself, behind no gate. */
  readonly storage: Storage
  readonly controls: MemoryControls
  readonly recorders: Recorder[] = []
  readonly logged: { readonly level: string; readonly message: string | undefined; readonly fields: object }[] = []

  /** What users could see of groups by `join` and `leave`, by `conversationId userId`; the checker asks. */
  readonly spans = new Map<string, { readonly from: number; to: number }[]>()

  private constructor(seed: number) {
    this.ids = new TestIds(seed)
    this.storage = memoryStorage({ clock: this.clock, data: this.data })
    this.controls = memoryControls(this.storage)
  }

  static async start(nodes: number, { seed = 1, stopWithTest = true } = {}): Promise<Fleet> {
    const fleet = new Fleet(seed)
    for (let i = 0; i < nodes; i++) await fleet.addNode()
    if (stopWithTest) onTestFinished(() => fleet.stop())
    return fleet
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
    const storage = gated(memoryStorage({ clock, data: this.data }), counting)
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
    const stopped = Promise.all(this.nodes.map((node) => node.kill()))
    await this.clock.advance(10_000)
    await stopped
  }

  node(i: number): FleetNode {
    const node = this.nodes[i]
    if (node === undefined) throw new RangeError(`There is no node ${i}.`)
    return node
  }

  recorder(node: number, userId: string): Recorder {
    const recorder = new Recorder(userId, this.node(node))
    this.recorders.push(recorder)
    return recorder
  }

  /** An attached connection. */
  async attached(node: number, userId: string): Promise<Recorder> {
    const recorder = this.recorder(node, userId)
    await recorder.attach()
    return recorder
  }

  /** Sends a direct message through the use case; resolves with its seq when it is acknowledged. */
  async direct(node: number, from: string, to: string): Promise<number> {
    const request = { toUserId: to, msgId: this.ids.uuid(), body: { type: 'text' as const, text: 'hello' } }
    const sent = await this.node(node).send.execute({ userId: from, userType: 'user' }, request, undefined, { trusted: true })
    return sent.seq
  }

  /** Opens a group; returns its conversation id. */
  async group(name: string, userIds: readonly string[]): Promise<string> {
    const conversationId = groupConversationId(name)
    for (const userId of userIds) this.spans.set(`${conversationId} ${userId}`, [{ from: 1, to: Number.POSITIVE_INFINITY }])
    await this.storage.openConversation({ conversationId, chatType: 'group', userIds, nodeId: 'test', now: this.clock.now() })
    return conversationId
  }

  /** Appends one entry in one step and, unless it is to be silent, publishes it as the node's lane would. Returns its seq. */
  async append(node: number, conversationId: string, fields: Partial<AppendItem> = {}, { silent = false } = {}): Promise<number> {
    const item = this.item(conversationId, fields)
    const results = await this.storage.appendMessages({ nodeId: this.node(node).nodeId, now: this.clock.now(), items: [item] })
    const [result] = results
    if (result?.ok !== true) throw new Error(`The entry was refused: ${result?.code}`)
    if (!silent) this.node(node).publisher.publish([item], results, this.node(node).epoch.current)
    return result.seq
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
  join(node: number, conversationId: string, userId: string, how: { silent?: boolean; history?: boolean } = {}): Promise<number> {
    const seq = (this.data.conversations.get(conversationId)?.headSeq ?? 0) + 1
    const key = `${conversationId} ${userId}`
    this.spans.set(key, [...(this.spans.get(key) ?? []), { from: how.history ? 1 : seq, to: Number.POSITIVE_INFINITY }])
    void this.controls.patchMember(conversationId, userId, { joinSeq: seq, visibleFrom: how.history ? 1 : seq, leaveSeq: null })
    const channels = [`group:${conversationId.slice(2)}`, `user:${userId}`]
    return this.append(node, conversationId, { channels }, how)
  }

  /** Lets a user go; the leaving entry is the last one they may see. Returns its seq. */
  leave(node: number, conversationId: string, userId: string, how: { silent?: boolean } = {}): Promise<number> {
    const seq = (this.data.conversations.get(conversationId)?.headSeq ?? 0) + 1
    const span = this.spans.get(`${conversationId} ${userId}`)?.at(-1)
    if (span !== undefined) span.to = seq
    void this.controls.patchMember(conversationId, userId, { leaveSeq: seq })
    const channels = [`group:${conversationId.slice(2)}`, `user:${userId}`]
    return this.append(node, conversationId, { channels }, how)
  }

  /** What is wrong with what the connections that are still there were given; empty = nothing. */
  faults(): readonly string[] {
    return this.recorders.filter((recorder) => !recorder.gone).flatMap((recorder) => faultsOf(recorder, this.data, this.spans))
  }

  /** Lets everything under way end and every node read the feed. */
  async quiet(ms = 5_000): Promise<void> {
    await this.clock.advance(ms)
  }
}
