import type { Limits } from '@innerline/protocol'
import type { Random } from '../core/random.js'
import type { BusConditions } from '../network/bus.js'
import type { Conditions } from '../network/pipe.js'
import type { DatabaseConditions } from '../storage/database.js'

/** What chance weighs in one history; drawn once per seed, so that some are calm, some wild, and few have everything. */
export interface Profile {
  readonly users: number
  readonly devicesPerUser: number
  /** How long the workload and the faults last, virtual ms. */
  readonly activeMs: number
  readonly operations: number
  /** How often each operation is drawn. */
  readonly workload: Readonly<Record<Operation, number>>
  readonly faults: number
  /** How often each fault is drawn. */
  readonly faultWeights: Readonly<Record<Fault, number>>
  readonly conditions: WorldConditions
  readonly limits: Partial<Limits>
  readonly feedKeepMs: number
  readonly tokenTtlMs: number
  readonly diskMs: number
  /** Whether an event consumer runs on every node. */
  readonly consumer: boolean
}

/** Everything that heals in the end. */
export interface WorldConditions {
  network: Conditions
  bus: BusConditions
  database: DatabaseConditions
  /** Chance that a request or its answer is lost, or answered 502 by something in between. */
  httpLost: number
  httpBroken: number
  authFails: number
  tokenFails: number
  /** Chance that a node dies around a call it makes to the database. */
  dieAtCall: number
  /** Whether bus or database were ever bad enough to lose a hint. */
  readonly hintsMayBeLost: boolean
}

export const OPERATIONS = [
  'send',
  'burst',
  'restSend',
  'open',
  'close',
  'markRead',
  'loadOlder',
  'typing',
  'history',
  'disconnect',
  'wake',
  'retry',
  'newPlace',
] as const
export type Operation = (typeof OPERATIONS)[number]

export const FAULTS = [
  'breakWire',
  'stallWire',
  'crashNode',
  'freezeNode',
  'drainNode',
  'stepNodeClock',
  'crashApp',
  'suspendApp',
  'stepAppClock',
  'loseStore',
  'busDown',
  'databaseDown',
  'raiseEpoch',
  'restore',
] as const
export type Fault = (typeof FAULTS)[number]

const workload: Readonly<Record<Operation, number>> = {
  send: 30,
  burst: 4,
  restSend: 3,
  open: 10,
  close: 4,
  markRead: 10,
  loadOlder: 4,
  typing: 1,
  history: 3,
  disconnect: 3,
  wake: 2,
  retry: 2,
  newPlace: 4,
}

const faultWeights: Readonly<Record<Fault, number>> = {
  breakWire: 8,
  stallWire: 4,
  crashNode: 2,
  freezeNode: 2,
  drainNode: 1,
  stepNodeClock: 1,
  crashApp: 3,
  suspendApp: 2,
  stepAppClock: 1,
  loseStore: 1,
  busDown: 2,
  databaseDown: 1,
  raiseEpoch: 0.5,
  restore: 0.5,
}

/** Weights around the usual ones; now and then one is off, or rules. */
function varied<K extends string>(random: Random, usual: Readonly<Record<K, number>>, offChance: number): Record<K, number> {
  const result = {} as Record<K, number>
  for (const [key, weight] of Object.entries(usual) as [K, number][]) {
    result[key] = random.chance(offChance) ? 0 : weight * (random.chance(0.1) ? 8 : random.between(0.5, 1.5))
  }
  return result
}

export function drawProfile(random: Random): Profile {
  const calm = random.chance(0.1)
  const wild = !calm && random.chance(0.15)
  /** A chance per call, in a part of the seeds only. */
  const sometimes = (share: number, upTo: number): number => (!calm && random.chance(wild ? 0.9 : share) ? random.next() ** 2 * upTo : 0)
  const tight = random.chance(0.4)
  const users = random.pick([2, 2, 3, 3, 4, 5, 6, 12])
  // Rows are kept for so short that a node which was away finds them gone.
  const forgetful = random.chance(0.15)
  const activeMs = random.between(25_000, 70_000)
  const [lost, lostAnswer] = [sometimes(0.4, 0.6), sometimes(0.3, 0.2)]
  return {
    users,
    devicesPerUser: users > 6 ? 2 : random.pick([1, 2, 2, 2, 3]),
    activeMs,
    operations: Math.round(random.between(140, 260)),
    workload: { ...varied(random, workload, 0.15), send: 30, open: workload.open, disconnect: workload.disconnect },
    faults: calm ? 10 : Math.round(random.between(12, wild ? 60 : 36)),
    faultWeights: { ...varied(random, faultWeights, 0.4), breakWire: faultWeights.breakWire },
    conditions: {
      network: {
        delayMs: random.chance(0.2) ? random.between(50, 400) : random.between(1, 40),
        windowBytes: tight ? random.pick([1_024, 4_096]) : 65_536,
      },
      bus: {
        delayMs: random.chance(0.2) ? random.between(20, 300) : random.between(0.2, 5),
        lost,
        repeated: sometimes(0.4, 0.5),
        late: sometimes(0.4, 0.5),
        lateMs: random.between(20, 3_000),
      },
      database: {
        delayMs: random.between(0.2, 4),
        refused: sometimes(0.3, 0.2),
        lostAnswer,
        slow: sometimes(0.4, 0.3),
        slowMs: random.between(20, 800),
        held: sometimes(0.4, 0.4),
        heldMs: random.between(50, 2_500),
      },
      httpLost: sometimes(0.3, 0.3),
      httpBroken: sometimes(0.3, 0.3),
      authFails: sometimes(0.15, 0.2),
      tokenFails: sometimes(0.15, 0.3),
      dieAtCall: sometimes(0.2, 0.004),
      hintsMayBeLost: lost > 0 || lostAnswer > 0,
    },
    limits: tight ? { logQueueBytes: random.pick([512, 2_048, 8_192]), pageBytes: random.pick([1_024, 8_192, 262_144]) } : {},
    feedKeepMs: forgetful ? random.between(500, 5_000) : 600_000,
    tokenTtlMs: random.chance(0.3) ? random.between(65_000, 120_000) : 3_600_000,
    diskMs: random.chance(0.3) ? random.between(5, 60) : 0.2,
    consumer: random.chance(0.25),
  }
}

/** The same conditions without anything that fails, in place. */
export function heal(conditions: WorldConditions): void {
  const { network, bus, database } = conditions
  network.delayMs = Math.min(network.delayMs, 20)
  network.windowBytes = 65_536
  Object.assign(bus, { delayMs: Math.min(bus.delayMs, 5), lost: 0, repeated: 0, late: 0 })
  Object.assign(database, { refused: 0, lostAnswer: 0, slow: 0, held: 0 })
  Object.assign(conditions, { httpLost: 0, httpBroken: 0, authFails: 0, tokenFails: 0, dieAtCall: 0 })
}
