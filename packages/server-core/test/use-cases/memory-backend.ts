import { refusalToSend } from '../../src/domain/send-rights.js'
import { type HeldAppend, type MemoryControls, memoryControls } from '../../src/memory/controls.js'
import { createMemoryData, type MemoryData } from '../../src/memory/data.js'
import { memoryStorage } from '../../src/memory/storage.js'
import type { AppendBatch, AppendItem, AppendResult, Clock, Storage } from '../../src/ports/index.js'
import type { UseCaseBackend, UseCaseStorage } from './stage.js'

/** A memory storage of its own for each test, with what else is known of it. */
export interface MemoryStage extends UseCaseStorage {
  readonly data: MemoryData
  readonly controls: MemoryControls
}

/** `spoil` may put faults into what the nodes reach. */
export function openMemory(clock: Clock, spoil: (storage: Storage) => Partial<Storage> = () => ({})): MemoryStage {
  const data = createMemoryData()
  const [a, b, c] = [0, 1, 2].map(() => memoryStorage({ clock, data })) as [Storage, Storage, Storage]
  const controls = memoryControls(a)
  const withTransactions = (storage: Storage): Storage => ({
    ...storage,
    ...spoil(storage),
    async appendInTransaction(tx, batch) {
      const results: AppendResult[] = []
      for (const item of batch.items) results.push(await (tx as MemoryTransaction).append(item, batch))
      return results
    },
  })
  return {
    data,
    controls,
    nodes: [withTransactions(a), withTransactions(b), withTransactions(c)],
    async begin() {
      const tx = new MemoryTransaction(data, controls)
      return { tx, commit: () => tx.end('commit'), rollback: () => tx.end('rollback') }
    },
    async arrangeMember(conversationId, userId, member, entry) {
      // In one turn, which is what a transaction is here.
      const patched = controls.patchMember(conversationId, userId, member)
      const appended = entry === undefined ? [] : a.appendMessages(entry)
      await patched
      return appended
    },
    arrangeState: (conversationId, state) => controls.setState(conversationId, state),
  }
}

export const memoryBackend = (spoil?: (storage: Storage) => Partial<Storage>): UseCaseBackend => ({
  apart: true,
  open: async (clock) => openMemory(clock, spoil),
  dispose: async () => undefined,
})

const notOpen: AppendResult = {
  ok: false,
  code: 'STATE_CONFLICT',
  detail: 'The conversation has not been opened; open it before the transaction.',
}

/** A host's transaction, which sends messages alone, as a database has it: heads stay locked and nobody sees its entries before its commit. */
class MemoryTransaction {
  readonly #open = new Map<string, { readonly items: AppendItem[]; readonly now: number; readonly held: HeldAppend }>()

  constructor(
    readonly data: MemoryData,
    readonly controls: MemoryControls,
  ) {}

  async append(item: AppendItem, batch: AppendBatch): Promise<AppendResult> {
    const { conversationId, msgId } = item
    const conversation = this.data.conversations.get(conversationId)
    if (conversation === undefined) return this.data.byMsgId.has(msgId) ? { ok: false, code: 'MSG_ID_CONFLICT' } : notOpen
    let open = this.#open.get(conversationId)
    if (open === undefined) {
      // What the transaction appends later is committed with it: the batch is not looked at before its end.
      const items = [item]
      open = { items, now: batch.now, held: await this.controls.holdAppend({ ...batch, items }) }
      items.length = 0
      this.#open.set(conversationId, open)
    }
    const { memberVersion } = conversation
    const committed = this.data.byMsgId.get(msgId)
    const own = open.items.findIndex((other) => other.msgId === msgId)
    const known = committed ?? open.items[own]
    if (known !== undefined) {
      if (known.fromUserId !== item.fromUserId || known.hash !== item.hash) return { ok: false, code: 'MSG_ID_CONFLICT' }
      if (committed === undefined) return { ...this.#answer(conversationId, own), duplicate: true }
      if (committed.conversation !== conversation) return { ok: false, code: 'MSG_ID_CONFLICT' }
      const { seq, ord, timestamp } = committed
      return { ok: true, seq, ord, timestamp, duplicate: true, memberVersion }
    }
    const refusal = item.checkedAt === memberVersion ? undefined : refusalToSend(conversation, conversation.members.get(item.fromUserId))
    if (refusal !== undefined && item.kind !== 'system') return { ok: false, code: refusal }
    open.items.push(item)
    return this.#answer(conversationId, open.items.length - 1)
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    for (const { held } of this.#open.values()) await held[how]()
    this.#open.clear()
  }

  /** What the commit will give the item. */
  #answer(conversationId: string, index: number): Extract<AppendResult, { readonly ok: true }> {
    const { headSeq, headOrd, updatedAt, memberVersion } = this.data.conversations.get(conversationId) as NonNullable<
      ReturnType<MemoryData['conversations']['get']>
    >
    const { items, now } = this.#open.get(conversationId) as { readonly items: AppendItem[]; readonly now: number }
    const ord = headOrd + items.slice(0, index + 1).filter((item) => item.countable).length
    return { ok: true, seq: headSeq + index + 1, ord, timestamp: Math.max(now, updatedAt), duplicate: false, memberVersion }
  }
}
