import type { Cancel, Clock, Receipt } from '@innerline/protocol'
import type { PeerPosition } from '../api/conversation.js'
import type { MessageStatus } from '../api/message.js'
import { furthest } from './summary.js'

const TYPING_LASTS_MS = 5_000

/** What the other members of a conversation are known to have, and who of them types. */
export interface Others {
  peers(): Readonly<Record<string, PeerPosition>>
  typing(): readonly string[]
  /** How far an own entry got. */
  statusAt(seq: number): MessageStatus
  receipt(receipt: Receipt): void
  /** Nobody says when it stops: it is forgotten after a while, and when what was typed comes. */
  typed(userId: string): void
  sent(userId: string): void
  /** Forgets positions. */
  reset(): void
  stop(): void
}

export function createOthers(clock: Clock, changed: () => void): Others {
  const peers = new Map<string, PeerPosition>()
  const typers = new Map<string, Cancel>()

  const sent = (userId: string) => {
    typers.get(userId)?.()
    if (typers.delete(userId)) changed()
  }
  return {
    peers: () => Object.fromEntries(peers),
    typing: () => [...typers.keys()],
    statusAt(seq) {
      const all = [...peers.values()]
      return all.some(({ readSeq }) => readSeq >= seq) ? 'read' : all.some(({ deliveredSeq }) => deliveredSeq >= seq) ? 'delivered' : 'sent'
    },
    receipt({ userId, deliveredSeq, readSeq }) {
      peers.set(userId, furthest(peers.get(userId), { deliveredSeq: Math.max(deliveredSeq, readSeq), readSeq }))
    },
    typed(userId) {
      typers.get(userId)?.()
      typers.set(
        userId,
        clock.after(TYPING_LASTS_MS, () => sent(userId)),
      )
      changed()
    },
    sent,
    reset: () => peers.clear(),
    stop() {
      for (const cancel of typers.values()) cancel()
      typers.clear()
    },
  }
}
