import { directConversationId, groupConversationId, serviceConversationId, type ChatType, type MessageKind } from '@innerline/protocol'
import fc from 'fast-check'
import { fingerprint } from '../../src/domain/fingerprint.js'
import { previewOf } from '../../src/domain/preview.js'
import type { AppendItem } from '../../src/ports/index.js'
import type { TestNode } from '../support/test-node.js'
import type { Stage } from './stage.js'

/** Who and what a history is about; `user` and `conversation` are indexes that wrap around. */
const USERS = ['ann', 'bob', 'cid', 'dan', 'ANN'] as const
const TEXTS = ['x', 'y', 'z'.repeat(400), '王 😀 \\ "\u0000'] as const

type Of<A> = A extends fc.Arbitrary<infer T> ? T : never

const nat = fc.nat({ max: 11 })
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const seq = fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 14 }) }, { weight: 1, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) })
const mentions = maybe(fc.uniqueArray(fc.constantFrom('*', 0, 1, 2, 3, 4), { minLength: 1, maxLength: 3 }))
const content = { user: nat, conversation: nat, text: fc.nat({ max: TEXTS.length - 1 }), id: maybe(nat), reply: maybe(nat), mentions }
const sent = fc.record(content)
const item = fc.record({
  ...content,
  kind: fc.constantFrom<MessageKind[]>('message', 'message', 'system', 'recall', 'edit'),
  target: maybe(nat),
  stale: fc.boolean(),
})
const ack = fc.record({ user: nat, conversation: nat, deliveredSeq: maybe(seq), readSeq: maybe(seq) })
const place = fc.oneof(
  fc.constant({}),
  fc.record({ beforeSeq: seq }),
  fc.record({ afterSeq: seq }),
  fc.record({ beforeAgo: fc.nat({ max: 200 }) }),
  fc.record({ beforeId: nat }),
)
const limit = fc.integer({ min: 1, max: 6 })
const chatType = maybe(fc.constantFrom<ChatType[]>('direct', 'group', 'service'))
const op = <T extends string, F extends object>(name: T, fields: { [K in keyof F]: fc.Arbitrary<F[K]> }) =>
  fc.record({ op: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<{ readonly op: T } & Readonly<F>>

const say = op('say', content)
const batch = op('batch', { items: fc.array(item, { minLength: 1, maxLength: 5 }) })
const transaction = op('transaction', { item: item.map((one) => ({ ...one, kind: 'message' as const })), commits: fc.boolean() })
const now = op('ack', { acks: fc.array(ack, { minLength: 1, maxLength: 3 }) })
const cursors = op('cursors', { acks: fc.array(ack, { minLength: 1, maxLength: 4 }) })
const history = op('history', { user: nat, conversation: nat, place, limit })
const pages = op('pages', { user: nat, conversation: nat, afterSeq: maybe(seq), limit })
const message = op('message', { user: nat, id: nat })
const list = op('list', { user: nat, limit, chatType, between: maybe(nat) })
const rows = op('rows', { conversation: nat, id: nat, ago: fc.nat({ max: 200 }), maxBytes: fc.nat({ max: 900 }), limit })
const member = op('member', { user: nat, conversation: nat, history: fc.boolean() })
const hide = op('hide', { user: nat, conversation: nat })
const state = op('state', { conversation: nat, open: fc.boolean() })
const expire = op('expire', { ago: fc.nat({ max: 300 }) })
const wait = op('wait', { ms: fc.constantFrom(1, 10, 40, -30) })

/** One step of a history. */
export type Step = Of<typeof anyStep>
export const anyStep = fc.oneof(
  { weight: 6, arbitrary: say },
  { weight: 4, arbitrary: batch },
  { weight: 1, arbitrary: transaction },
  { weight: 3, arbitrary: now },
  { weight: 1, arbitrary: cursors },
  { weight: 3, arbitrary: history },
  { weight: 2, arbitrary: pages },
  { weight: 1, arbitrary: message },
  { weight: 3, arbitrary: list },
  { weight: 2, arbitrary: rows },
  { weight: 3, arbitrary: member },
  { weight: 1, arbitrary: hide },
  { weight: 1, arbitrary: state },
  { weight: 1, arbitrary: expire },
  { weight: 3, arbitrary: wait },
)

/** One of the two storages that a history is played on. */
export interface World {
  readonly stage: Stage
  readonly node: TestNode
}

/** What a step does to a world; the same for both. */
export type Play = (world: World) => Promise<unknown>

/** The names of one history, and what its steps do. `model` says where things are when a step begins. */
export class Cast {
  readonly users: readonly string[]
  readonly conversations: readonly string[]
  readonly ids: readonly string[]
  readonly #model: World

  constructor(model: World, { suffix, ids }: Pick<Stage, 'suffix' | 'ids'>) {
    this.#model = model
    this.users = USERS.map((name) => name + suffix)
    const [ann, bob, cid] = this.users as [string, string, string]
    this.conversations = [
      groupConversationId(`g${suffix}`),
      directConversationId(ann, bob),
      serviceConversationId(`s${suffix}`),
      directConversationId(cid, ann),
    ]
    this.ids = Array.from({ length: 8 }, () => ids.uuid())
  }

  user = (i: number): string => this.users[i % this.users.length] as string
  conversation = (i: number): string => this.conversations[i % this.conversations.length] as string
  id = (i: number): string => this.ids[i % this.ids.length] as string

  /** The group and the service session; direct chats are opened by their first message. */
  async opened({ stage }: World): Promise<void> {
    const request = { nodeId: 'stage', now: stage.clock.now() }
    await stage.storage.openConversation({
      ...request,
      ...{ conversationId: this.conversation(0), chatType: 'group', userIds: this.users.slice(0, 3) },
    })
    await stage.storage.openConversation({
      ...request,
      ...{ conversationId: this.conversation(2), chatType: 'service', userIds: this.users.slice(0, 2) },
    })
  }

  async plan(step: Step): Promise<Play> {
    switch (step.op) {
      case 'say': {
        const { body, replyTo, mentions: named, msgId } = this.#content(step)
        const request = { conversationId: this.conversation(step.conversation), msgId, body, replyTo, mentions: named }
        return ({ node }) => node.send.execute(this.#principal(step.user), request, undefined, { trusted: true })
      }
      case 'batch': {
        const items = await Promise.all(step.items.map((one) => this.#item(one)))
        return ({ stage }) => stage.storage.appendMessages(stage.batch(items))
      }
      case 'transaction': {
        const items = [await this.#item(step.item)]
        return async ({ stage }) => {
          const { tx, commit, rollback } = await stage.backing.begin()
          try {
            const results = await stage.storage.appendInTransaction?.(tx, stage.batch(items))
            if (step.commits) await commit()
            return results
          } finally {
            await rollback()
          }
        }
      }
      case 'ack': {
        const acks = step.acks.map(({ conversation, deliveredSeq, readSeq }) =>
          deliveredSeq === undefined && readSeq === undefined
            ? { conversationId: this.conversation(conversation), upToSeq: conversation }
            : { conversationId: this.conversation(conversation), deliveredSeq, readSeq },
        )
        return ({ node }) => node.acknowledge.now(this.#principal(step.acks[0]?.user ?? 0), { acks })
      }
      case 'cursors': {
        const moves = step.acks.map(({ user, conversation, deliveredSeq, readSeq }) => ({
          ...{ conversationId: this.conversation(conversation), userId: this.user(user), deliveredSeq, readSeq },
        }))
        return ({ stage }) => stage.storage.advanceCursors(moves)
      }
      case 'history': {
        const { beforeAgo, beforeId, ...rest } = step.place as { beforeAgo?: number; beforeId?: number }
        return ({ node }) =>
          node.read.history(this.#principal(step.user), this.conversation(step.conversation), {
            ...{ ...rest, limit: step.limit },
            ...(beforeAgo === undefined ? {} : { beforeTime: Math.max(0, node.clock.now() - beforeAgo) }),
            ...(beforeId === undefined ? {} : { beforeId: this.id(beforeId) }),
          })
      }
      case 'pages':
        return async ({ node }) => {
          const [who, conversationId] = [this.#principal(step.user), this.conversation(step.conversation)]
          const { afterSeq } = step
          return [
            await node.read.offline(who, conversationId, { limit: step.limit, ...(afterSeq === undefined ? {} : { afterSeq }) }),
            await node.read.byOffset(who, conversationId, step.limit, step.limit * 2),
          ]
        }
      case 'message':
        return ({ node }) => node.read.message(this.#principal(step.user), this.id(step.id))
      case 'list': {
        const moves = this.conversations.map(() => this.#entry(this.conversation(step.between ?? 0)))
        return (world) => this.#list(world, step, step.between === undefined ? [] : moves)
      }
      case 'rows':
        return ({ stage }) => this.#rows(stage, step)
      case 'member':
        return this.#moveMember(step)
      case 'hide':
        return this.#existing(step.conversation, async (conversationId) => {
          const userId = this.user(step.user)
          const found = await this.#model.stage.storage.readMember(conversationId, userId)
          if (found?.member === undefined) return async () => undefined
          return ({ stage }) => stage.backing.arrangeMember(conversationId, userId, { hidden: true })
        })
      case 'state':
        return this.#existing(step.conversation, (conversationId) => ({ stage }) => {
          return stage.backing.arrangeState(conversationId, step.open ? 'open' : 'closed')
        })
      case 'expire':
        return ({ stage }) => stage.storage.expireMessages({ before: stage.clock.now() - step.ago, limit: 1_000 })
      case 'wait':
        return async ({ stage }) => (step.ms < 0 ? stage.clock.step(step.ms) : stage.clock.advance(step.ms))
    }
  }

  #principal(i: number) {
    return { userId: this.user(i), userType: 'user' } as const
  }

  #content({ user, text, id, reply, mentions: named }: Of<typeof sent>) {
    return {
      fromUserId: this.user(user),
      body: { type: 'text' as const, text: TEXTS[text] as string },
      msgId: id === undefined ? this.#model.stage.ids.uuid() : this.id(id),
      ...(reply === undefined ? {} : { replyTo: this.id(reply) }),
      ...(named === undefined ? {} : { mentions: named.map((one) => (typeof one === 'number' ? this.user(one) : one)) }),
    }
  }

  async #item(one: Of<typeof item>): Promise<AppendItem> {
    const conversationId = this.conversation(one.conversation)
    const { body, ...rest } = this.#content(one)
    const { kind } = one
    const [head] = await this.#model.stage.storage.readHeads([conversationId])
    const target = kind === 'recall' || kind === 'edit' ? this.id(one.target ?? 0) : undefined
    const recalls = kind === 'recall'
    return {
      ...this.#model.stage.item(conversationId, rest.fromUserId, '', rest),
      ...{ kind, countable: kind === 'message', checkedAt: one.stale ? 0 : (head?.memberVersion ?? 1) },
      ...(target === undefined ? {} : { target }),
      ...{ bodyJson: recalls ? 'null' : JSON.stringify(body, undefined, one.text), preview: recalls ? '' : previewOf(body) },
      hash: fingerprint({ kind, conversationId, target, body, replyTo: rest.replyTo, mentions: rest.mentions }),
    }
  }

  /** The summary and all pages; each of `moves` is stored after a page, which puts its conversation at the top. */
  async #list({ node, stage }: World, step: Of<typeof list>, moves: readonly AppendItem[]): Promise<unknown> {
    const all: unknown[] = [await node.conversations.summary(this.user(step.user))]
    for (let cursor: string | undefined; ; ) {
      const query = { limit: step.limit, ...(cursor === undefined ? {} : { cursor }) }
      const page = await node.conversations.page(this.#principal(step.user), { ...query, chatType: step.chatType })
      all.push(page.items)
      cursor = page.next
      if (cursor === undefined) return all
      await stage.clock.advance(1)
      await stage.storage.appendMessages(stage.batch(moves.slice(all.length - 2, all.length - 1)))
    }
  }

  #entry(conversationId: string): AppendItem {
    const entry = { kind: 'system', countable: false, bodyJson: '{ "type" : "system" }', preview: '[system]' } as const
    return this.#model.stage.item(conversationId, 'system', '', entry)
  }

  async #rows(stage: Stage, step: { conversation: number; id: number; ago: number; maxBytes: number; limit: number }): Promise<unknown> {
    const { storage } = stage
    const conversationId = this.conversation(step.conversation)
    const range = { conversationId, from: step.limit, to: 12, limit: step.limit, maxBytes: step.maxBytes }
    return [
      await storage.lastSeqBefore(conversationId, stage.clock.now() - step.ago),
      await storage.findByMsgIds([this.id(step.id), this.id(step.id + 1), this.id(step.id)]),
      await storage.findEntry(this.id(step.id)),
      await storage.readMessages({ ...range, direction: 'forward' }),
      await storage.readMessages({ ...range, direction: 'backward' }),
      await storage.listMemberIds(conversationId, { limit: step.limit, after: this.user(step.id) }),
      await storage.readCursors(conversationId, step.limit),
    ]
  }

  /** Who is in leaves, who is not joins or comes back; each with its entry. */
  #moveMember(step: { user: number; conversation: number; history: boolean }): Promise<Play> {
    return this.#existing(step.conversation, async (conversationId) => {
      const userId = this.user(step.user)
      const found = await this.#model.stage.storage.readMember(conversationId, userId)
      const next = (found?.head.headSeq ?? 0) + 1
      const isIn = found?.member !== undefined && found.member.leaveSeq === undefined
      const moved = isIn ? { leaveSeq: next } : { joinSeq: next, visibleFrom: step.history ? 1 : next, leaveSeq: null }
      const moves = this.#entry(conversationId)
      return ({ stage }) => stage.backing.arrangeMember(conversationId, userId, moved, stage.batch([moves]))
    })
  }

  /** What the use cases never do to a conversation that is not there is left out. */
  async #existing(conversation: number, play: (conversationId: string) => Play | Promise<Play>): Promise<Play> {
    const conversationId = this.conversation(conversation)
    const heads = await this.#model.stage.storage.readHeads([conversationId])
    return heads.length === 0 ? async () => undefined : play(conversationId)
  }
}
