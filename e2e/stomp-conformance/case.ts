import { setTimeout as pause } from 'node:timers/promises'
import { Conversation, type Target } from './conversation.js'
import type { Profile } from './profile.js'

/** One thing a server must do. */
export interface ConformanceCase {
  /** `<concern>/<name>`. */
  readonly id: string
  /** What must hold, as a sentence; with the section of STOMP 1.2 where there is one. */
  readonly title: string
  /** Takes longer than a few answers. */
  readonly slow?: boolean
  /** Whether this case says anything about a server with this profile. */
  readonly applies?: (profile: Profile) => boolean
  readonly run: (conversation: Conversation) => Promise<void>
}

/** Runs one case on connections of its own. Rejects with a sentence when the server does not conform. */
export async function runCase(conformanceCase: ConformanceCase, target: Target): Promise<void> {
  const conversation = new Conversation(target)
  try {
    await conformanceCase.run(conversation)
    conversation.checkAlways()
  } finally {
    conversation.end()
    // The server's rate limit is not what these cases are about: the next one starts with what this one found.
    const { sendsPerSecond } = target.profile
    if (sendsPerSecond !== undefined) await pause((1_000 * conversation.sends) / sendsPerSecond)
  }
}
