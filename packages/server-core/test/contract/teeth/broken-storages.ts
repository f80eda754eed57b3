import type { FeedPosition, Member } from '../../../src/contract/types.js'
import type { AppendResult, CursorMove, Storage } from '../../../src/ports/storage.js'

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A mistake that somebody will make one day, and the behaviour whose cases must notice. */
export interface PlantedBug {
  readonly name: string
  readonly noticedBy: string
  spoil(storage: Storage): Partial<Storage>
}

const bug = (noticedBy: string, name: string, spoil: PlantedBug['spoil']): PlantedBug => ({ name, noticedBy, spoil })

const forgetful = (position: FeedPosition): FeedPosition => ({ ...position, missing: [] })

export const plantedBugs: readonly PlantedBug[] = [
  bug('append', 'answers of refused items are left out', (storage) => ({
    appendMessages: async (batch) => (await storage.appendMessages(batch)).filter((result) => result.ok),
  })),
  bug('append', 'one refused item fails its batch', (storage) => ({
    async appendMessages(batch) {
      const results = await storage.appendMessages(batch)
      const refused = results.find((result) => !result.ok)
      return refused === undefined ? results : results.map(() => refused)
    },
  })),
  bug('append', 'rights are not looked at again', (storage) => ({
    async appendMessages(batch) {
      const heads = await storage.readHeads(batch.items.map((item) => item.conversationId))
      const versions = new Map(heads.map((head) => [head.conversationId, head.memberVersion]))
      const items = batch.items.map((item) => ({ ...item, checkedAt: versions.get(item.conversationId) ?? item.checkedAt }))
      return storage.appendMessages({ ...batch, items })
    },
  })),
  bug('idempotency', 'duplicates are looked for before the lock', (storage) => ({
    async appendMessages(batch) {
      const known = await storage.findByMsgIds(batch.items.map((item) => item.msgId))
      await later()
      const results = await storage.appendMessages(batch)
      return results.map((result, i) => (result.ok ? { ...result, duplicate: known.has(batch.items[i]?.msgId ?? '') } : result))
    },
  })),
  bug('idempotency', 'a msgId of another conversation counts as a duplicate', (storage) => ({
    async appendMessages(batch) {
      const results = await storage.appendMessages(batch)
      const known = await storage.findByMsgIds(batch.items.map((item) => item.msgId))
      return results.map((result, i): AppendResult => {
        const [item, stored] = [batch.items[i], known.get(batch.items[i]?.msgId ?? '')]
        if (result.ok || stored?.hash !== item?.hash || stored?.fromUserId !== item?.fromUserId) return result
        return {
          ok: true,
          seq: stored?.seq ?? 0,
          ord: stored?.ord ?? 0,
          timestamp: stored?.timestamp ?? 0,
          duplicate: true,
          memberVersion: 1,
        }
      })
    },
  })),
  bug('reading', '“more” is a full page', (storage) => ({
    async readMessages(range) {
      const slice = await storage.readMessages(range)
      return { ...slice, more: slice.entries.length === range.limit }
    },
  })),
  bug('reading', 'pages go by time', (storage) => ({
    async readMessages(range) {
      const slice = await storage.readMessages(range)
      const seen = new Set<number>()
      return { ...slice, entries: slice.entries.filter(({ timestamp }) => !seen.has(timestamp) && seen.add(timestamp)) }
    },
  })),
  bug('members', 'the member list is in the order of joining', (storage) => ({
    listMemberIds: async (id, page) => [...(await storage.listMemberIds(id, page))].reverse(),
  })),
  bug('cursors', 'cursors are read, changed and written', (storage) => {
    const written = new Map<string, { deliveredSeq: number; readSeq: number }>()
    const key = (move: Pick<CursorMove, 'conversationId' | 'userId'>): string => `${move.conversationId} ${move.userId}`
    const stale = (member: Member | undefined): Member | undefined => member && { ...member, ...written.get(key(member)) }
    return {
      async readMember(conversationId, userId) {
        const read = await storage.readMember(conversationId, userId)
        return read && { ...read, member: stale(read.member) }
      },
      async advanceCursors(moves) {
        const before = moves.map((move) => written.get(key(move)) ?? { deliveredSeq: 0, readSeq: 0 })
        await later()
        const states = await storage.advanceCursors(moves)
        return states.map((state, i) => {
          const [move, was] = [moves[i] as CursorMove, before[i] as { deliveredSeq: number; readSeq: number }]
          const readSeq = Math.max(was.readSeq, move.readSeq ?? 0)
          written.set(key(move), { readSeq, deliveredSeq: Math.max(was.deliveredSeq, readSeq, move.deliveredSeq ?? 0) })
          return state
        })
      },
    }
  }),
  bug('cursors', 'the last call wins', (storage) => ({
    async advanceCursors(moves) {
      const states = await storage.advanceCursors(moves)
      return states.map((state, i) => state && { ...state, readSeq: moves[i]?.readSeq ?? state.readSeq })
    },
  })),
  bug('unread', 'one’s own messages count as unread', (storage) => ({
    async readMember(conversationId, userId) {
      const read = await storage.readMember(conversationId, userId)
      return read && { ...read, member: read.member && { ...read.member, sentOrd: 0 } }
    },
  })),
  bug('summaries', 'who has left sees the newest head', (storage) => ({
    async summaries(userId, page) {
      const read = await storage.summaries(userId, page)
      const heads = await storage.readHeads(read.items.map((row) => row.head.conversationId))
      return {
        ...read,
        items: read.items.map((row) => ({ ...row, head: heads.find((h) => h.conversationId === row.head.conversationId) ?? row.head })),
      }
    },
  })),
  bug('summaries', 'pages go by offset', (storage) => ({
    async summaries(userId, { cursor, ...page }) {
      const offset = cursor === undefined ? 0 : Number.parseInt(cursor, 10)
      const all = await storage.summaries(userId, { ...page, limit: 1_000 })
      const items = all.items.slice(offset, offset + page.limit)
      return { ...all, items, next: offset + items.length < all.items.length ? String(offset + items.length) : undefined }
    },
  })),
  bug('edits', 'an edit keeps its text when its target is recalled', (storage) => {
    const texts = new Map<string, string>()
    return {
      async appendMessages(batch) {
        for (const item of batch.items) if (item.kind === 'edit') texts.set(item.msgId, item.bodyJson)
        return storage.appendMessages(batch)
      },
      async readMessages(range) {
        const slice = await storage.readMessages(range)
        return { ...slice, entries: slice.entries.map((entry) => ({ ...entry, bodyJson: texts.get(entry.msgId) ?? entry.bodyJson })) }
      },
    }
  }),
  bug('hostile', 'bodies go through a JSON column', (storage) => ({
    appendMessages: (batch) =>
      storage.appendMessages({
        ...batch,
        items: batch.items.map((item) => ({ ...item, bodyJson: JSON.stringify(JSON.parse(item.bodyJson)) })),
      }),
  })),
  bug('hostile', 'user ids are compared without case', (storage) => ({
    async readMember(conversationId, userId) {
      const read = await storage.readMember(conversationId, userId)
      if (read === undefined || read.member !== undefined) return read
      const ids = await storage.listMemberIds(conversationId, { limit: 1_000 })
      return storage.readMember(conversationId, ids.find((id) => id.toLowerCase() === userId.toLowerCase()) ?? userId)
    },
  })),
  bug('users', 'a search takes wildcards', (storage) => ({
    async searchUsers(text, limit) {
      const pattern = new RegExp(
        text
          .replace(/[^\w%]/g, '\\$&')
          .replaceAll('%', '.*')
          .replaceAll('_', '.'),
        'i',
      )
      return (await storage.searchUsers('', 1_000)).filter((user) => pattern.test(user.displayName)).slice(0, limit)
    },
  })),
  bug('leases', 'the fence does not rise', (storage) => ({
    async acquireLease(request) {
      const lease = await storage.acquireLease(request)
      return lease && { ...lease, fence: 1 }
    },
  })),
  bug('leases', 'a lease is checked and then taken', () => {
    const holders = new Map<string, string>()
    return {
      async acquireLease({ name, holder }) {
        const held = holders.get(name)
        await later()
        if (held !== undefined && held !== holder) return undefined
        holders.set(name, holder)
        return { name, holder, fence: 1 }
      },
      releaseLease: async ({ name }) => void holders.delete(name),
    }
  }),
  bug('life', 'a closed storage answers', () => ({ close: async () => {} })),
  bug('feed', 'a full page ends the feed', (storage) => ({
    changes: async (position, limit) => ({ ...(await storage.changes(position, limit)), more: false }),
  })),
  bug('feed', 'positions of another epoch are good', (storage) => ({
    changes: async (position, limit) => storage.changes({ ...position, epoch: await storage.epoch() }, limit),
  })),
  bug('gaps', 'the feed is read by id > last', (storage) => ({
    async changes(position, limit) {
      const batch = await storage.changes(forgetful(position), limit)
      return { ...batch, position: forgetful(batch.position) }
    },
  })),
  bug('gaps', 'a reader that starts knows no gaps', (storage) => ({
    startPosition: async () => forgetful(await storage.startPosition()),
  })),
  bug('gaps', 'gaps are aged out, held or not', (storage) => ({
    async resolveGaps(request) {
      await storage.resolveGaps(request)
      return { open: [], resolvedFloor: request.readUpTo }
    },
  })),
  bug('readers', 'rows are deleted under a durable reader', (storage) => ({
    trimChanges: async (request) => ({ ...(await storage.trimChanges({ ...request, readerLostAfterMs: 0 })), lostReaders: [] }),
  })),
  bug('readers', 'a position is saved without the lease', (storage) => ({
    async saveReader(request) {
      const lease = await storage.acquireLease({ name: `${request.name} again`, holder: 'x', ttlMs: 1_000 })
      if (lease !== undefined) await storage.saveReader({ ...request, lease })
    },
  })),
  bug('readers', 'a reader that starts after a trim begins at 0', (storage) => ({
    async startPosition() {
      const { rows } = await storage.feedSize()
      const position = await storage.startPosition()
      return rows === 0 ? { ...position, id: 0 } : position
    },
  })),
  bug('retention', 'entries go before the floor is raised', (storage) => ({
    readHeads: async (ids) => (await storage.readHeads(ids)).map((head) => ({ ...head, lowSeq: 1, lowOrd: 0 })),
  })),
]
