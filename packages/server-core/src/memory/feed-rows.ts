import type { Change, FeedPosition } from '../domain/change.js'
import type { FeedData, MemoryData } from './data.js'

/** Takes the next id, as an insert does: before its transaction commits. */
export const allocateChangeId = (feed: FeedData): number => feed.nextId++

/** Makes a row visible. */
export function commitChange(feed: FeedData, change: Change): void {
  feed.held.delete(change.id)
  feed.rows.set(change.id, change)
  if (change.id > feed.maxId) feed.maxId = change.id
}

/** Ids of `(from, to]` that have no row, ascending. */
export function gapsBetween(feed: FeedData, from: number, to: number): number[] {
  const gaps: number[] = []
  for (let id = from + 1; id <= to; id++) if (!feed.rows.has(id)) gaps.push(id)
  return gaps
}

/** Where a reader that starts now begins. */
export function freshPosition({ epoch, feed }: MemoryData): FeedPosition {
  const from = Math.max(feed.resolvedFloor, feed.lowId - 1)
  return { epoch, id: feed.maxId, missing: gapsBetween(feed, from, feed.maxId) }
}

/** The highest id such that this position needs no row at or below it. */
export const needsAbove = (position: FeedPosition): number => Math.min(position.id, (position.missing[0] ?? Number.MAX_SAFE_INTEGER) - 1)

/** Whether rows that this position needs are gone. */
export const isTooOld = ({ epoch, feed }: MemoryData, position: FeedPosition): boolean =>
  position.epoch !== epoch || needsAbove(position) < feed.lowId - 1
