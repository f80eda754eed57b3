import type { Mutant } from './mutant.js'

const FEED = 'packages/server-core/src/memory/feed.ts'
const FEED_ROWS = 'packages/server-core/src/memory/feed-rows.ts'
const CURSORS = 'packages/server-core/src/memory/conversations.ts'
const DATABASE = 'sim/storage/database.ts'
const NODE = 'packages/server-core/src/node.ts'

/** What a transaction that has its heads locked will answer: nobody else can take these seqs, unless it rolls back. */
const FORESEEN = `
function foreseen(data: MemoryData, { items, now }: AppendBatch): AppendResult[] {
  const next = new Map<string, { seq: number; ord: number }>()
  return items.map((item) => {
    const conversation = data.conversations.get(item.conversationId)
    const known = data.byMsgId.get(item.msgId)
    if (conversation === undefined) return { ok: false, code: 'NOT_FOUND' }
    const { memberVersion, updatedAt } = conversation
    if (known !== undefined) return { ok: true, seq: known.seq, ord: known.ord, timestamp: known.timestamp, duplicate: true, memberVersion }
    const last = next.get(item.conversationId) ?? { seq: conversation.headSeq, ord: conversation.headOrd }
    const here = { seq: last.seq + 1, ord: last.ord + (item.countable ? 1 : 0) }
    next.set(item.conversationId, here)
    return { ok: true, ...here, timestamp: Math.max(now, updatedAt), duplicate: false, memberVersion }
  })
}

/** Whether a refusal of this code tells`

const declareForeseen = { file: DATABASE, find: '\n/** Whether a refusal of this code tells', replace: FORESEEN }

/** Bugs of the storage, planted in the one that the simulator puts in its place. */
export const storageMutants: readonly Mutant[] = [
  {
    name: 'ack-before-commit',
    says: 'an append is answered while its transaction is still open',
    edits: [
      declareForeseen,
      {
        file: DATABASE,
        find: '          // A frozen or dead writer',
        replace: '          resolve(foreseen(data, batch))\n          // A frozen or dead writer',
      },
    ],
  },
  {
    name: 'publish-before-commit',
    says: 'messages go out to members while their transaction is still open',
    edits: [
      declareForeseen,
      {
        file: DATABASE,
        find: '          // A frozen or dead writer',
        replace:
          '          const { onLocked } = batch as AppendBatch & { onLocked?: (results: AppendResult[]) => void }\n' +
          '          if (onLocked !== undefined) scheduler.after(this.#delay(), process, () => onLocked(foreseen(data, batch)))\n' +
          '          // A frozen or dead writer',
      },
      {
        file: NODE,
        find: '    return storage.appendMessages(batch)\n',
        replace:
          '    const onLocked = (results: AppendResult[]) => publisher.publish(batch.items, results, epoch.current)\n' +
          '    return storage.appendMessages({ ...batch, ...{ onLocked } })\n',
      },
    ],
  },
  {
    name: 'feed-by-last-id',
    says: 'a reader of the feed asks for ids above the last it was given, and forgets those that commit late',
    edits: [
      {
        file: FEED,
        find: '        if (row === undefined) missing.push(id)\n        else changes.push(row)',
        replace: '        if (row !== undefined) changes.push(row)',
      },
    ],
  },
  {
    name: 'resolver-fills-open-id',
    says: 'a missing change id is closed with a void row though its transaction is still open',
    rare: true,
    edits: [
      { file: FEED, find: 'if (feed.held.has(id) || id >= feed.nextId) open.add(id)', replace: 'if (id >= feed.nextId) open.add(id)' },
    ],
  },
  {
    name: 'feed-trimmed-under-consumer',
    says: 'feed rows are deleted though a durable reader has not had them',
    rare: true,
    edits: [{ file: FEED, find: 'if (!reader.lost) keepAbove =', replace: 'if (reader.lost) keepAbove =' }],
  },
  {
    name: 'feed-trimmed-under-node',
    says: 'a node that was away is not told that rows after its position are gone',
    rare: true,
    edits: [
      {
        file: FEED_ROWS,
        find: 'position.epoch !== epoch || needsAbove(position) < feed.lowId - 1',
        replace: 'position.epoch !== epoch',
      },
    ],
  },
  {
    name: 'ack-clamped-to-old-head',
    says: 'a position is clamped to the head that the conversation had before a restore',
    edits: [
      {
        file: CURSORS,
        find: '  const { to } = visibleRange(conversation, row)\n',
        replace:
          '  const { to } = visibleRange(conversation, row)\n' +
          '  const furthest = Math.max(to, (conversation as { furthest?: number }).furthest ?? 0)\n' +
          '  Object.assign(conversation, { furthest })\n',
      },
      { file: CURSORS, find: 'Math.min(move.readSeq ?? 0, to)', replace: 'Math.min(move.readSeq ?? 0, furthest)' },
      { file: CURSORS, find: 'Math.min(move.deliveredSeq ?? 0, to)', replace: 'Math.min(move.deliveredSeq ?? 0, furthest)' },
    ],
  },
]
