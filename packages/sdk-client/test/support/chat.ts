import type { Conversation, Message } from '../../src/index.js'
import { harness, settle } from './harness.js'

export const DIRECT = 'd~alice~bob'
export const seqs = (chat: Conversation): Message['seq'][] => chat.messages.getSnapshot().map(({ seq }) => seq as number)
export const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i)

type All = ReturnType<typeof harness>

/** A connected client of `alice`, and her conversation with `bob`. */
export async function connected(
  setup: (all: All) => void = () => {},
  ...args: Parameters<typeof harness>
): Promise<All & { readonly chat: Conversation }> {
  const all = harness(...args)
  setup(all)
  await all.im.connect()
  await settle()
  return { ...all, chat: all.im.conversations.get(DIRECT) }
}

/** Has `bob` write `n` messages. */
export const fill =
  (n: number) =>
  ({ server }: Pick<All, 'server'>): void => {
    for (let i = 0; i < n; i++) server.commit(DIRECT, { fromUserId: 'bob' })
  }
