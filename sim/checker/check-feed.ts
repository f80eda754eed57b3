import { place } from './check-log.js'
import type { FeedHistory, FinalHead, Violation } from './history.js'

/** Every reader saw every entry above the heads it began with, each change once, and nothing that is not in the log. */
export function checkFeed(readers: readonly FeedHistory[], heads: readonly FinalHead[]): Violation[] {
  return readers.flatMap((reader) => checkReader(reader, new Map(heads.map((head) => [head.conversationId, head.headSeq]))))
}

function checkReader(history: FeedHistory, heads: ReadonlyMap<string, number>): Violation[] {
  const found: Violation[] = []
  const ids = new Set<number>()
  const seen = new Map<string, Set<number>>()
  for (const { id, kind, conversationId, firstSeq, lastSeq } of history.changes) {
    if (ids.has(id)) found.push({ rule: 'feed-repeat', detail: `${history.reader} was given change ${id} twice` })
    ids.add(id)
    if (kind !== 'entries') continue
    const seqs = seen.get(conversationId) ?? new Set()
    seen.set(conversationId, seqs)
    if (firstSeq < 1 || lastSeq < firstSeq || lastSeq > (heads.get(conversationId) ?? 0)) {
      const detail = `${history.reader}: change ${id} names ${conversationId}#${firstSeq}–${lastSeq}, the log ends at ${heads.get(conversationId) ?? 0}`
      found.push({ rule: 'feed-phantom', detail })
      continue
    }
    for (let seq = firstSeq; seq <= lastSeq; seq++) {
      if (seqs.has(seq))
        found.push({ rule: 'feed-repeat', detail: `${history.reader}: two changes name ${place({ conversationId, seq })}` })
      seqs.add(seq)
    }
  }
  for (const [conversationId, headSeq] of heads) {
    const seqs = seen.get(conversationId)
    for (let seq = (history.startHeads[conversationId] ?? 0) + 1; seq <= headSeq; seq++)
      if (seqs?.has(seq) !== true)
        found.push({ rule: 'feed-hole', detail: `${history.reader} never heard of ${place({ conversationId, seq })}` })
  }
  return found
}
