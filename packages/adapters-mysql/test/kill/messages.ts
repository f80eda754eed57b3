import { createHash } from 'node:crypto'
import type { AppendItem } from '@innerline/server-core'

/** Shared by every process of a run on this machine and never set back; ms. */
export const monotonicNow = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Seeded chance (mulberry32): a run's messages are the same each time, only its timing is not. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The v4 UUID of a name. */
export function uuidOf(name: string): string {
  const hex = digest(name)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The message of this name: whoever makes it makes the same. One in five does not count as unread. */
export function messageOf(name: string, conversationId: string, fromUserId: string): AppendItem {
  const msgId = uuidOf(name)
  const countable = Number.parseInt(msgId.slice(-2), 16) % 5 !== 0
  const bodyJson = JSON.stringify({ type: 'text', text: `${name} ${'·'.repeat(Number.parseInt(msgId.slice(0, 2), 16) % 64)}` })
  return {
    ...{ conversationId, msgId, fromUserId, kind: countable ? 'message' : 'system', countable },
    ...{ hash: digest(`${conversationId} ${bodyJson}`).slice(0, 32), bodyJson, preview: name.slice(0, 100) },
    ...{ checkedAt: 1, channels: [conversationId.replace('g~', 'group:')] },
  }
}
