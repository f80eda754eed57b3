import type { ParsedItem } from './parser.js'

/** Why a stream cannot be read on: it breaks the grammar, or it is over a limit. */
export type StompFault = 'malformed' | 'too-large'

/**
 * A peer broke STOMP 1.2 or a limit of this parser. The stream cannot be read on: answer ERROR and close.
 * `message` says what is wrong in plain words and never quotes what the peer sent.
 */
export class StompProtocolError extends Error {
  readonly kind: StompFault
  /** What the failing chunk held before the fault, complete and in order. */
  readonly before: readonly ParsedItem[]

  constructor(kind: StompFault, message: string, before: readonly ParsedItem[] = []) {
    super(message)
    this.name = 'StompProtocolError'
    this.kind = kind
    this.before = before
  }
}
