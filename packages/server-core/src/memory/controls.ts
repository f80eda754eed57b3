import { userChannel } from '../domain/change.js'
import type { AppendBatch, AppendResult, Storage } from '../ports/storage.js'
import { appendNow } from './append.js'
import { addMember } from './conversations.js'
import { allocateChangeId, commitChange } from './feed-rows.js'
import { headLock } from './log.js'
import { contextOf } from './storage.js'

/** A transaction that has its heads locked and its change ids, and has not ended. Ends once; further calls do nothing. */
export interface HeldAppend {
  /** Ids of the change feed that appear on commit, or are burnt. */
  readonly changeIds: readonly number[]
  /** Makes the batch visible; resolves with what appendMessages would have answered. */
  commit(): Promise<readonly AppendResult[]>
  /** Burns the ids. */
  rollback(): Promise<void>
}

/** A member's row as a test arranges it; the rest stays. */
export interface MemberPatch {
  readonly visibleFrom?: number | undefined
  readonly joinSeq?: number | undefined
  /** null = back in. */
  readonly leaveSeq?: number | null | undefined
  readonly hidden?: boolean | undefined
  readonly pinned?: boolean | undefined
}

/**
 * What the simulator and the contract suites do to a memory storage beside its port: transactions that end late, and
 * members moved without the use cases that move them.
 */
export interface MemoryControls {
  /** Begins an append and leaves its end to the caller, so that change ids and commits come in different orders. */
  holdAppend(batch: AppendBatch): Promise<HeldAppend>
  /** Makes or changes a member's row, raises memberVersion and writes a `members` change. */
  patchMember(conversationId: string, userId: string, patch: MemberPatch): Promise<void>
  /** Opens or closes a conversation, raises memberVersion and writes a `members` change. */
  setState(conversationId: string, state: 'open' | 'closed'): Promise<void>
}

/** The controls of a storage made by `memoryStorage()`. Not part of the port. */
export function memoryControls(storage: Storage): MemoryControls {
  const context = contextOf(storage)
  const { data, clock } = context

  const conversationOf = (conversationId: string) => {
    const conversation = data.conversations.get(conversationId)
    if (conversation === undefined) throw new RangeError(`There is no conversation ${conversationId}.`)
    return conversation
  }
  const membersMoved = (conversationId: string, userIds: Iterable<string>): void => {
    const conversation = conversationOf(conversationId)
    conversation.presentIds = undefined
    conversation.memberVersion++
    commitChange(data.feed, {
      id: allocateChangeId(data.feed),
      kind: 'members',
      conversationId,
      channels: Array.from(userIds, userChannel),
      firstSeq: 0,
      lastSeq: 0,
      memberVersion: conversation.memberVersion,
      nodeId: 'controls',
      at: clock.now(),
    })
  }

  return {
    async holdAppend(batch) {
      for (let lock = headLock(data, batch); lock !== undefined; lock = headLock(data, batch)) await lock
      const reserved = new Map<string, number>()
      let free = (): void => {}
      const ended = new Promise<void>((resolve) => {
        free = resolve
      })
      for (const { conversationId } of batch.items) {
        if (reserved.has(conversationId) || !data.conversations.has(conversationId)) continue
        const id = allocateChangeId(data.feed)
        reserved.set(conversationId, id)
        data.feed.held.add(id)
        data.heldHeads.set(conversationId, ended)
      }
      let open = true
      const end = (): boolean => {
        const first = open
        open = false
        if (first) for (const conversationId of reserved.keys()) data.heldHeads.delete(conversationId)
        return first
      }
      // Ids whose conversation accepted nothing are burnt like those of a rollback.
      const burn = (): void => {
        for (const id of reserved.values()) data.feed.held.delete(id)
        free()
      }
      return {
        changeIds: [...reserved.values()],
        async commit() {
          if (!end()) return []
          const results = appendNow(context, batch, reserved)
          burn()
          return results
        },
        async rollback() {
          if (end()) burn()
        },
      }
    },
    async patchMember(conversationId, userId, patch) {
      const conversation = conversationOf(conversationId)
      const row = addMember(data, conversation, userId)
      if (patch.joinSeq !== undefined) row.joinSeq = patch.joinSeq
      if (patch.visibleFrom !== undefined) {
        row.visibleFrom = patch.visibleFrom
        row.visibleOrd = conversation.ordAt(patch.visibleFrom - 1)
      }
      if (patch.leaveSeq !== undefined) {
        row.leaveSeq = patch.leaveSeq ?? undefined
        row.leaveOrd = patch.leaveSeq === null ? undefined : conversation.ordAt(patch.leaveSeq)
      }
      if (patch.pinned !== undefined) row.pinned = patch.pinned
      if (patch.hidden !== undefined) row.hiddenOrd = patch.hidden ? conversation.headOrd : undefined
      membersMoved(conversationId, [userId])
    },
    async setState(conversationId, state) {
      const conversation = conversationOf(conversationId)
      conversation.state = state
      membersMoved(conversationId, conversation.members.keys())
    },
  }
}
