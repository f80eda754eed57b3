import { groupConversationId } from '@innerline/protocol'
import { type AppendItem, type AppendResult, fingerprint, previewOf, type Storage } from '@innerline/server-core'
import type { StorageHarness } from '@innerline/server-core/contract'
import { expect } from 'vitest'

type Accepted = Extract<AppendResult, { readonly ok: true }>

/** Shortcuts over a harness. Everything they make has random ids. */
export function arrange(harness: StorageHarness) {
  const nodeId = harness.ids.uuid()
  const text = (conversationId: string, fromUserId: string, words = 'hello', fields: Partial<AppendItem> = {}): AppendItem => {
    const body = { type: 'text', text: words } as const
    return {
      ...{ conversationId, msgId: harness.ids.uuid(), fromUserId, kind: 'message', countable: true },
      ...{ hash: fingerprint({ kind: 'message', conversationId, body }), bodyJson: JSON.stringify(body), preview: previewOf(body) },
      ...{ checkedAt: 1, channels: [conversationId.replace('g~', 'group:')] },
      ...fields,
    }
  }
  const append = async (items: readonly AppendItem[], storage: Storage = harness.storage): Promise<readonly AppendResult[]> =>
    storage.appendMessages({ nodeId, now: harness.clock.now(), items })
  const accepted = async (items: readonly AppendItem[], storage?: Storage): Promise<readonly Accepted[]> => {
    const results = await append(items, storage)
    expect(results.map((result) => result.ok || result)).toEqual(items.map(() => true))
    return results as readonly Accepted[]
  }
  return {
    nodeId,
    text,
    append,
    accepted,
    async conversation(userIds: readonly string[]): Promise<string> {
      const conversationId = groupConversationId(harness.ids.uuid())
      await harness.storage.openConversation({ conversationId, chatType: 'group', userIds, nodeId, now: harness.clock.now() })
      return conversationId
    },
    texts: (conversationId: string, fromUserId: string, count: number) =>
      accepted(Array.from({ length: count }, (_, i) => text(conversationId, fromUserId, `text ${i}`))),
  }
}
