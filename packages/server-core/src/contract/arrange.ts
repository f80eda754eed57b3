import { groupConversationId, serviceConversationId, type ChatType } from '@innerline/protocol'
import { expect } from 'vitest'
import { fingerprint } from '../domain/fingerprint.js'
import { previewOf } from '../domain/preview.js'
import type { AppendItem, AppendResult, Head, Member, Storage } from './types.js'
import type { StorageHarness } from './harness.js'

export type Accepted = Extract<AppendResult, { readonly ok: true }>

/** Shortcuts of the suites over one harness. Everything they make has random ids. */
export class Arrange {
  readonly nodeId: string

  constructor(readonly harness: StorageHarness) {
    this.nodeId = harness.ids.uuid()
  }

  get storage(): Storage {
    return this.harness.storage
  }

  /** A user id that nobody else has. */
  user(label: string): string {
    return `${label}-${this.harness.ids.uuid().slice(24)}`
  }

  /** An open conversation of these users, a group unless said otherwise. */
  async conversation(userIds: readonly string[], chatType: Exclude<ChatType, 'direct'> = 'group'): Promise<string> {
    const id = this.harness.ids.uuid()
    const conversationId = chatType === 'group' ? groupConversationId(id) : serviceConversationId(id)
    await this.open(conversationId, chatType, userIds)
    return conversationId
  }

  async open(conversationId: string, chatType: ChatType, userIds: readonly string[], storage = this.storage): Promise<Head> {
    return storage.openConversation({ conversationId, chatType, userIds, nodeId: this.nodeId, now: this.harness.clock.now() })
  }

  /** A text message, as the use case would hand it over; `fields` overrides. */
  text(conversationId: string, fromUserId: string, text = 'hello', fields: Partial<AppendItem> = {}): AppendItem {
    const body = { type: 'text', text } as const
    return {
      conversationId,
      msgId: this.harness.ids.uuid(),
      fromUserId,
      kind: 'message',
      countable: true,
      hash: fingerprint({ kind: 'message', conversationId, body }),
      bodyJson: JSON.stringify(body),
      preview: previewOf(body),
      checkedAt: 1,
      channels: [conversationId.replace('g~', 'group:').replace('s~', 'user:')],
      ...fields,
    }
  }

  /** An entry that adds to nobody's unread. */
  system(conversationId: string, fields: Partial<AppendItem> = {}): AppendItem {
    const bodyJson = JSON.stringify({ type: 'system', event: 'group.updated' })
    return this.text(conversationId, 'system', '', { kind: 'system', countable: false, bodyJson, preview: '[system]', ...fields })
  }

  async append(items: readonly AppendItem[], storage = this.storage, now = this.harness.clock.now()): Promise<readonly AppendResult[]> {
    const results = await storage.appendMessages({ nodeId: this.nodeId, now, items })
    expect(results, 'one result per item').toHaveLength(items.length)
    return results
  }

  /** Appends and insists that every item was accepted. */
  async accepted(items: readonly AppendItem[], storage = this.storage, now = this.harness.clock.now()): Promise<readonly Accepted[]> {
    return (await this.append(items, storage, now)).map(insistAccepted)
  }

  /** Appends `count` texts of one author in one batch. */
  async texts(conversationId: string, fromUserId: string, count: number): Promise<readonly Accepted[]> {
    const { memberVersion: checkedAt } = await this.head(conversationId)
    return this.accepted(Array.from({ length: count }, (_, i) => this.text(conversationId, fromUserId, `text ${i}`, { checkedAt })))
  }

  async head(conversationId: string): Promise<Head> {
    const [head] = await this.storage.readHeads([conversationId])
    if (head === undefined) throw new Error(`There is no head of ${conversationId}.`)
    return head
  }

  async member(conversationId: string, userId: string): Promise<Member> {
    const read = await this.storage.readMember(conversationId, userId)
    if (read?.member === undefined) throw new Error(`${userId} has no row in ${conversationId}.`)
    return read.member
  }
}

export function insistAccepted(result: AppendResult): Accepted {
  if (!result.ok) throw new Error(`The item was refused: ${result.code} ${result.detail ?? ''}`)
  return result
}
