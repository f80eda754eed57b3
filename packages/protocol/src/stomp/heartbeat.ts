/** One side's heart-beat offer, ms: the header's two numbers. 0 = cannot, or does not want. */
export interface HeartBeatOffer {
  /** The shortest interval in which it can send. */
  readonly canSendMs: number
  /** The interval in which it would like to receive. */
  readonly wantMs: number
}

/** What one side does after the negotiation, ms; 0 = nothing. */
export interface HeartBeat {
  /** Send something at least this often. */
  readonly sendMs: number
  /** Something is to arrive at least this often, before any tolerance. */
  readonly expectMs: number
}

// Nine digits stay below 2^31, above which timers fire at once.
const form = /^(\d{1,9}),(\d{1,9})$/

const none: HeartBeatOffer = { canSendMs: 0, wantMs: 0 }

/**
 * Reads a `heart-beat` header. An absent one means `0,0` (STOMP 1.2 "Heart-beating"). Undefined when it is malformed: two
 * numbers of at most nine digits, a comma, nothing else.
 */
export function parseHeartBeat(header: string | undefined): HeartBeatOffer | undefined {
  if (header === undefined) return none
  const match = form.exec(header)
  return match === null ? undefined : { canSendMs: Number(match[1]), wantMs: Number(match[2]) }
}

/** The header's value for an offer. */
export const formatHeartBeat = (offer: HeartBeatOffer): string => `${offer.canSendMs},${offer.wantMs}`

const interval = (can: number, want: number): number => (can === 0 || want === 0 ? 0 : Math.max(can, want))

/** What the side that offered `ours` does, given the other's `theirs`. Both sides come to mirrored results. */
export const negotiateHeartBeat = (ours: HeartBeatOffer, theirs: HeartBeatOffer): HeartBeat => ({
  sendMs: interval(ours.canSendMs, theirs.wantMs),
  expectMs: interval(theirs.canSendMs, ours.wantMs),
})
