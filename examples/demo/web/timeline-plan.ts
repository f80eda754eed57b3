import type { Hole, TimelineItem } from '@innerline/sdk-client'
import { dayKey } from './format.js'

/** One line of the message view. `key` is stable, so that a line keeps its element. */
export type Line =
  | { readonly type: 'day'; readonly key: string; readonly timestamp: number }
  | { readonly type: 'new'; readonly key: 'new' }
  | { readonly type: 'hole'; readonly key: string; readonly count: number }
  /** `continued`: from the same person shortly after the line above, drawn closer to it. */
  | { readonly type: 'message'; readonly key: string; readonly item: TimelineItem; readonly continued: boolean }

const TOGETHER_MS = 5 * 60_000

/**
 * The lines for `items` (in the SDK's order): a separator where the day changes, one before the first message of others above `newAfterSeq`,
 * and one for each range that is not loaded.
 */
export function planTimeline(items: readonly TimelineItem[], holes: readonly Hole[], newAfterSeq: number | undefined): readonly Line[] {
  const lines: Line[] = []
  let before: TimelineItem | undefined
  let divided = newAfterSeq === undefined
  for (const item of items) {
    const hole = before === undefined ? undefined : holeBetween(holes, before.seq, item.seq)
    if (hole !== undefined) lines.push({ type: 'hole', key: `hole:${hole.fromSeq}`, count: hole.toSeq - hole.fromSeq + 1 })
    // Keyed by the message below: clocks may step, so one day can come twice.
    if (before === undefined || dayKey(before.timestamp) !== dayKey(item.timestamp))
      lines.push({ type: 'day', key: `day:${item.msgId}`, timestamp: item.timestamp })
    if (!divided && !item.own && item.seq !== undefined && item.seq > (newAfterSeq ?? 0)) {
      lines.push({ type: 'new', key: 'new' })
      divided = true
    }
    const together = lines.at(-1)?.type === 'message' && before !== undefined && belongsTo(before, item)
    lines.push({ type: 'message', key: `message:${item.msgId}`, item, continued: together })
    before = item
  }
  return lines
}

function holeBetween(holes: readonly Hole[], above: number | undefined, below: number | undefined): Hole | undefined {
  if (above === undefined || below === undefined) return undefined
  return holes.find(({ fromSeq, toSeq }) => fromSeq > above && toSeq < below)
}

const belongsTo = (before: TimelineItem, item: TimelineItem): boolean =>
  before.kind === 'message' &&
  item.kind === 'message' &&
  before.fromUserId === item.fromUserId &&
  item.timestamp - before.timestamp < TOGETHER_MS
