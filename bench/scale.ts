/** How much each benchmark does. */
export interface Scale {
  readonly name: 'full' | 'quick'
  readonly rounds: number
  readonly idleRounds: number
  readonly warmUpMs: number
  readonly phaseMs: number
  /** Relay: senders, each with a receiver of its own. */
  readonly pairs: number
  readonly inFlightPerPair: number
  readonly relayPerSecond: number
  /** Fan-out: connected members of the one room. */
  readonly members: number
  readonly fanOutInFlight: number
  readonly idleConnections: number
  readonly idleMs: number
  /** On databases: of one shape by one method. */
  readonly appendMs: number
  /** Fixed rate of the relay on storages. */
  readonly storedPerSecond: number
  /** Messages of the long conversation, and how often each of its pages is read in a round. */
  readonly pageMessages: number
  readonly pageReads: number
  readonly summaryConnects: number
}

export const FULL: Scale = {
  name: 'full',
  rounds: 3,
  idleRounds: 3,
  warmUpMs: 1_500,
  phaseMs: 2_500,
  pairs: 50,
  inFlightPerPair: 8,
  relayPerSecond: 2_000,
  members: 2_000,
  fanOutInFlight: 16,
  idleConnections: 5_000,
  idleMs: 20_000,
  appendMs: 1_000,
  storedPerSecond: 1_000,
  pageMessages: 1_000_000,
  pageReads: 400,
  summaryConnects: 20,
}

export const QUICK: Scale = {
  ...FULL,
  name: 'quick',
  rounds: 2,
  idleRounds: 1,
  warmUpMs: 800,
  phaseMs: 800,
  members: 1_000,
  idleConnections: 2_000,
  idleMs: 3_000,
  appendMs: 400,
  pageMessages: 200_000,
  pageReads: 100,
  summaryConnects: 5,
}
