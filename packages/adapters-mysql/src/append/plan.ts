import { type AppendItem, type AppendResult, type LastEntry, type Member, refusalToSend } from '@innerline/server-core'
import { type LockedHead, memberKey, type StoredEntry } from './lock-heads.js'

/** An entry to be inserted. Recalls and edits later in the batch may still change its body. */
export interface PlannedEntry {
  readonly key: number
  readonly item: AppendItem
  readonly chatType: string
  readonly seq: number
  readonly ord: number
  readonly timestamp: number
  bodyJson: string
  editedAt: number | undefined
  recalledAt: number | undefined
}

/** What a recall or an edit does to an entry stored earlier. */
export interface Mend {
  readonly key: number
  readonly seq: number
  bodyJson: string
  editedAt: number | undefined
  recalledAt: number | undefined
}

/** A conversation's head as it will be, and its change row. */
export interface PlannedHead {
  readonly key: number
  readonly conversationId: string
  readonly chatType: string
  readonly memberVersion: number
  readonly lowSeq: number
  readonly firstSeq: number
  headSeq: number
  headOrd: number
  updatedAt: number
  lowTime: number | undefined
  last: LastEntry | undefined
  mentionAll: LockedHead['mentionAll']
  readonly channels: Set<string>
}

/** Newest positions of a member's row that the batch moves. */
export interface PlannedCursor {
  readonly key: number
  readonly userId: string
  sentOrd: number
  mentionSeq: number
}

export interface AppendPlan {
  readonly results: readonly AppendResult[]
  readonly entries: readonly PlannedEntry[]
  readonly heads: readonly PlannedHead[]
  readonly mends: readonly Mend[]
  readonly edits: readonly { readonly key: number; readonly targetSeq: number; readonly editSeq: number }[]
  readonly cursors: readonly PlannedCursor[]
}

export interface PlanInput {
  readonly items: readonly AppendItem[]
  readonly now: number
  /** Heads under lock, by conversation. */
  readonly heads: ReadonlyMap<string, LockedHead>
  /** By msgId. */
  readonly stored: ReadonlyMap<string, StoredEntry>
  /** By `memberKey`, those whose rights must be looked at again. */
  readonly members: ReadonlyMap<string, Member>
  /**
   * Batches of earlier attempts with an unknown end, with their msgIds. When one proves to be the last that was appended
   * to its conversation, it was ours, and what it stored is no duplicate. When others have appended since, nobody can
   * tell; then it is called one.
   */
  readonly doubted?: ReadonlyMap<string, ReadonlySet<string>> | undefined
}

const notFound: AppendResult = { ok: false, code: 'NOT_FOUND', detail: 'There is no such conversation.' }
const noTarget: AppendResult = { ok: false, code: 'NOT_FOUND', detail: 'There is no such entry in this conversation.' }
const recalledTarget: AppendResult = { ok: false, code: 'STATE_CONFLICT', detail: 'The entry has been recalled.' }
const conflict: AppendResult = { ok: false, code: 'MSG_ID_CONFLICT' }

/** Whether the sender's rights must be read again: the members have moved since they were checked. */
export const isStale = (item: AppendItem, head: LockedHead): boolean => item.kind !== 'system' && head.head.memberVersion !== item.checkedAt

/** Decides every item of a batch under the heads' locks. Pure: the same input gives the same rows, whatever is retried. */
export function planAppend(input: PlanInput): AppendPlan {
  return new Planner(input).plan()
}

class Planner {
  readonly #input: PlanInput
  readonly #entries = new Map<string, PlannedEntry>()
  readonly #heads = new Map<string, PlannedHead>()
  readonly #mends = new Map<string, Mend>()
  readonly #edits: { key: number; targetSeq: number; editSeq: number }[] = []
  readonly #cursors = new Map<string, PlannedCursor>()
  readonly #answered = new Set<string>()

  constructor(input: PlanInput) {
    this.#input = input
  }

  plan(): AppendPlan {
    const results = this.#input.items.map((item) => this.#decide(item))
    return {
      results,
      entries: [...this.#entries.values()],
      heads: [...this.#heads.values()],
      mends: [...this.#mends.values()],
      edits: this.#edits,
      cursors: [...this.#cursors.values()].sort((a, b) => (a.userId === b.userId ? a.key - b.key : a.userId < b.userId ? -1 : 1)),
    }
  }

  #decide(item: AppendItem): AppendResult {
    const locked = this.#input.heads.get(item.conversationId)
    const repeated = this.#repeated(item, locked)
    if (repeated !== undefined) return repeated
    if (locked === undefined) return notFound
    if (isStale(item, locked)) {
      const code = refusalToSend(locked.head, this.#input.members.get(memberKey(locked.key, item.fromUserId)))
      if (code !== undefined) return { ok: false, code }
    }
    if (item.kind !== 'recall' && item.kind !== 'edit') return this.#add(item, locked)
    const target = this.#targetOf(item, locked)
    if (target === undefined) return noTarget
    // Under the lock an edit may find that a recall was first: a recalled text never comes back.
    if (item.kind === 'edit' && target.recalled) return recalledTarget
    const result = this.#add(item, locked)
    this.#mend(item, locked, target.seq, result.timestamp, result.seq)
    return result
  }

  #repeated(item: AppendItem, locked: LockedHead | undefined): AppendResult | undefined {
    const planned = this.#entries.get(item.msgId)
    const existing =
      planned === undefined
        ? this.#input.stored.get(item.msgId)
        : { ...planned, ...planned.item, conversationId: planned.item.conversationId, kind: planned.item.kind as string }
    if (existing === undefined) return undefined
    const sameRecall = item.kind === 'recall' && existing.kind === 'recall'
    const sameRequest = existing.fromUserId === item.fromUserId && existing.hash === item.hash
    if (existing.conversationId !== item.conversationId || !(sameRecall || sameRequest)) return conflict
    const { seq, ord, timestamp } = existing
    const isFirst = planned === undefined && this.#stored(item.msgId, locked)
    return { ok: true, seq, ord, timestamp, duplicate: !isFirst, memberVersion: locked?.head.memberVersion ?? 0 }
  }

  /** Whether an earlier attempt of this call has stored it, and this is the first item to ask. */
  #stored(msgId: string, locked: LockedHead | undefined): boolean {
    const batch = locked?.lastBatch === undefined ? undefined : this.#input.doubted?.get(locked.lastBatch)
    if (batch?.has(msgId) !== true || this.#answered.has(msgId)) return false
    this.#answered.add(msgId)
    return true
  }

  #targetOf({ target }: AppendItem, locked: LockedHead): { seq: number; recalled: boolean } | undefined {
    if (target === undefined) return undefined
    const planned = this.#entries.get(target)
    if (planned !== undefined) {
      return planned.key === locked.key ? { seq: planned.seq, recalled: planned.recalledAt !== undefined } : undefined
    }
    const stored = this.#input.stored.get(target)
    if (stored === undefined || stored.key !== locked.key || stored.seq < locked.head.lowSeq) return undefined
    const mend = this.#mends.get(mendKey(stored.key, stored.seq))
    return { seq: stored.seq, recalled: stored.recalled || mend?.recalledAt !== undefined }
  }

  #add(item: AppendItem, locked: LockedHead): Extract<AppendResult, { readonly ok: true }> {
    const head = this.#headOf(locked)
    const seq = ++head.headSeq
    const ord = item.countable ? ++head.headOrd : head.headOrd
    const before = head.updatedAt
    const timestamp = Math.max(this.#input.now, before)
    // The oldest kept entry may expire once a newer one exists; while it was alone, its time was the head's.
    if (head.lowTime === undefined && seq > head.lowSeq) head.lowTime = before
    head.updatedAt = timestamp
    const { conversationId, fromUserId, msgId, kind, preview, bodyJson } = item
    this.#entries.set(msgId, {
      ...{ key: locked.key, item, chatType: head.chatType, seq, ord, timestamp, bodyJson },
      editedAt: undefined,
      recalledAt: undefined,
    })
    if (kind === 'message' || kind === 'system') head.last = { seq, msgId, fromUserId, kind, preview, timestamp }
    if (item.countable) this.#cursor(locked.key, fromUserId).sentOrd = ord
    this.#mention(item, head, seq)
    for (const channel of item.channels) head.channels.add(channel)
    return {
      ok: true,
      seq,
      ord,
      timestamp,
      duplicate: false,
      memberVersion: this.#input.heads.get(conversationId)?.head.memberVersion ?? 0,
    }
  }

  #mention({ mentions, fromUserId }: AppendItem, head: PlannedHead, seq: number): void {
    if (mentions === undefined) return
    if (mentions.includes('*')) {
      const { by, seq: newest, other } = head.mentionAll
      head.mentionAll = { seq, by: fromUserId, other: by === fromUserId ? other : newest }
      return
    }
    for (const userId of mentions) if (userId !== fromUserId) this.#cursor(head.key, userId).mentionSeq = seq
  }

  /** Blanks or replaces what the entry is about, in every place its body is kept. */
  #mend(item: AppendItem, locked: LockedHead, targetSeq: number, timestamp: number, editSeq: number): void {
    const { key } = locked
    const head = this.#headOf(locked)
    const target = this.#bodyAt(key, targetSeq, item.target as string)
    target.bodyJson = item.kind === 'recall' ? 'null' : item.bodyJson
    if (item.kind === 'recall') {
      target.recalledAt = timestamp
      for (const edit of this.#edits) {
        if (edit.key !== key || edit.targetSeq !== targetSeq) continue
        for (const entry of this.#entries.values()) if (entry.key === key && entry.seq === edit.editSeq) entry.bodyJson = 'null'
      }
    } else {
      target.editedAt = timestamp
      this.#edits.push({ key, targetSeq, editSeq })
    }
    if (head.last?.seq === targetSeq) head.last = { ...head.last, preview: item.preview }
  }

  #bodyAt(key: number, seq: number, msgId: string): PlannedEntry | Mend {
    const planned = this.#entries.get(msgId)
    if (planned !== undefined) return planned
    const known = this.#mends.get(mendKey(key, seq))
    if (known !== undefined) return known
    const mend: Mend = { key, seq, bodyJson: 'null', editedAt: undefined, recalledAt: undefined }
    this.#mends.set(mendKey(key, seq), mend)
    return mend
  }

  #headOf(locked: LockedHead): PlannedHead {
    const { head, key } = locked
    const known = this.#heads.get(head.conversationId)
    if (known !== undefined) return known
    const { conversationId, chatType, memberVersion, lowSeq, headSeq, headOrd, updatedAt, last } = head
    const planned: PlannedHead = {
      ...{ key, conversationId, chatType, memberVersion, lowSeq, firstSeq: headSeq + 1, headSeq, headOrd, updatedAt, last },
      ...{ lowTime: locked.lowTime, mentionAll: locked.mentionAll, channels: new Set<string>() },
    }
    this.#heads.set(conversationId, planned)
    return planned
  }

  #cursor(key: number, userId: string): PlannedCursor {
    const at = memberKey(key, userId)
    const known = this.#cursors.get(at)
    if (known !== undefined) return known
    const cursor: PlannedCursor = { key, userId, sentOrd: 0, mentionSeq: 0 }
    this.#cursors.set(at, cursor)
    return cursor
  }
}

const mendKey = (key: number, seq: number): string => `${key} ${seq}`
