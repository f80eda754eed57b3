import type { AppendItem } from '@innerline/server-core'
import { Chance, messageOf } from './messages.js'

/** What all workers of a run do together. Plain data. */
export interface Load {
  readonly seed: number
  readonly writers: number
  /** Appends over all writers; retries after errors are not counted. */
  readonly appends: number
  readonly conversations: readonly string[]
  readonly users: readonly string[]
  /** Appends of one writer under way at once. */
  readonly window: number
  /** Of so many appends of a writer one is sent by another process as well, at about the same time. */
  readonly sharedEvery: number
  /** Cursor moves per worker and second. */
  readonly movesPerSecond: number
}

/** Of ten appends that are not shared, one repeats an earlier one of its writer. */
const REPEAT_SHARE = 0.1

/** The appends of one writer, in order. Writers 2k and 2k + 1 share some; a run puts them into different processes. */
export function* appendsOf(load: Load, writer: number): Generator<AppendItem> {
  const own = new Chance(load.seed * 1_000 + writer)
  const pair = writer >> 1
  const sent: AppendItem[] = []
  for (let n = 0; n < load.appends / load.writers; n++) {
    if (n % load.sharedEvery === 0) {
      const shared = new Chance(load.seed * 1_000_003 + pair * 100_003 + n)
      yield messageOf(`${load.seed}/pair ${pair}/${n}`, shared.pick(load.conversations), shared.pick(load.users))
    } else if (sent.length > 0 && own.next() < REPEAT_SHARE) {
      // Mostly a recent one, whose first attempt may still be under way.
      const back = own.next() < 0.7 ? own.below(Math.min(load.window, sent.length)) : own.below(sent.length)
      yield sent[sent.length - 1 - back] as AppendItem
    } else {
      const item = messageOf(`${load.seed}/writer ${writer}/${n}`, own.pick(load.conversations), own.pick(load.users))
      sent.push(item)
      yield item
    }
  }
}
