import { groupConversationId, ImError } from '@innerline/protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Fleet, type Recorder } from '../delivery/fleet.js'
import type { HostTransaction, OpenStage } from './stage.js'

const USERS = ['ann', 'bob', 'cid', 'dan'] as const
const GROUPS = ['one', 'two'] as const
const NODES = 3

type Op =
  | { readonly op: 'direct' | 'attach'; readonly node: number; readonly a: number; readonly b: number }
  | { readonly op: 'send' | 'join' | 'leave' | 'hold'; readonly node: number; readonly a: number; readonly b: number }
  | { readonly op: 'detach' | 'commit' | 'burn' | 'frame' | 'repeat' | 'lose'; readonly a: number }
  | { readonly op: 'wire'; readonly mode: 'flow' | 'hold' | 'lose' }
  | { readonly op: 'interrupt' | 'mend' | 'epoch' }
  | { readonly op: 'slow' | 'fail' | 'heal' | 'feed'; readonly node: number }
  | { readonly op: 'wait'; readonly ms: number }

const nat = fc.nat({ max: 11 })
const node = fc.nat({ max: NODES - 1 })
const at = <T extends Op['op']>(...names: T[]) => fc.constantFrom(...names)
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: at('direct'), node, a: nat, b: nat }) },
  { weight: 6, arbitrary: fc.record({ op: at('send'), node, a: nat, b: nat }) },
  { weight: 4, arbitrary: fc.record({ op: at('attach'), node, a: nat, b: nat }) },
  { weight: 2, arbitrary: fc.record({ op: at('join', 'leave'), node, a: nat, b: nat }) },
  { weight: 1, arbitrary: fc.record({ op: at('hold'), node, a: nat, b: nat }) },
  { weight: 2, arbitrary: fc.record({ op: at('detach', 'commit', 'burn'), a: nat }) },
  { weight: 4, arbitrary: fc.record({ op: at('frame', 'repeat', 'lose'), a: nat }) },
  { weight: 2, arbitrary: fc.record({ op: at('wire'), mode: fc.constantFrom('flow', 'hold', 'lose') }) },
  { weight: 1, arbitrary: fc.record({ op: at('interrupt', 'mend', 'epoch') }) },
  { weight: 2, arbitrary: fc.record({ op: at('slow', 'fail', 'heal', 'feed'), node }) },
  { weight: 5, arbitrary: fc.record({ op: at('wait'), ms: fc.constantFrom(0, 1, 20, 110, 400, 2_100) }) },
)

/** Plays the operations; whatever they leave broken stays broken. */
class Play {
  /** Appends of the host's that have not ended, with the group whose head they lock. */
  readonly late: { readonly group: string; readonly append: HostTransaction }[] = []
  readonly connections: Recorder[] = []

  constructor(readonly fleet: Fleet) {}

  async do(step: Op): Promise<void> {
    const { fleet } = this
    switch (step.op) {
      case 'direct':
        void fleet.direct(step.node, user(step.a), user(step.a + 1 + (step.b % 3))).catch(() => undefined)
        return
      case 'send':
        if (!this.#isLocked(this.#group(step.a))) await fleet.append(step.node, this.#group(step.a))
        return
      case 'attach': {
        const recorder = fleet.recorder(step.node, user(step.a))
        this.connections.push(recorder)
        recorder.reattach()
        return
      }
      case 'join':
      case 'leave': {
        const group = this.#group(step.b)
        if (this.#isLocked(group)) return
        const row = (await fleet.storage.readMember(group, fleet.user(user(step.a))))?.member
        const isIn = row !== undefined && row.leaveSeq === undefined
        if (isIn === (step.op === 'leave')) await fleet[step.op](step.node, group, user(step.a))
        return
      }
      case 'hold': {
        const group = this.#group(step.a)
        if (!this.#isLocked(group)) this.late.push({ group, append: await fleet.late(step.node, group) })
        return
      }
      case 'commit':
        await pick(this.late, step.a)?.append.commit()
        return
      case 'burn':
        await pick(this.late, step.a)?.append.rollback()
        return
      case 'detach':
        pick(this.connections, step.a)?.detach()
        return
      case 'frame':
        pick(fleet.wire.held, step.a)?.arrive()
        return
      case 'repeat':
        if (fleet.wire.held.length > 0) fleet.wire.held[step.a % fleet.wire.held.length]?.arrive()
        return
      case 'lose':
        pick(fleet.wire.held, step.a)
        return
      case 'wire':
        fleet.wire.mode = step.mode
        return
      case 'interrupt':
        return fleet.wire.interrupt()
      case 'mend':
        return fleet.wire.mend()
      case 'epoch':
        await fleet.storage.raiseEpoch()
        return
      case 'slow':
        fleet.node(step.node).gate.before = () => this.#pause()
        fleet.node(step.node).gate.after = () => this.#pause()
        return
      case 'fail':
        fleet.node(step.node).gate.before = (method) => {
          if (fleet.ids.random() < 0.7) throw new ImError('UNAVAILABLE', { detail: method, retryAfterMs: 1 })
        }
        return
      case 'heal':
        fleet.node(step.node).gate.before = undefined
        fleet.node(step.node).gate.after = undefined
        return
      case 'feed':
        void fleet.node(step.node).feedReader.readNow()
        return
      case 'wait':
        await fleet.clock.advance(step.ms)
    }
  }

  /** Ends every fault; what was lost stays lost. */
  async heal(): Promise<void> {
    for (const { append } of this.late) await append.commit()
    for (const { gate } of this.fleet.nodes) {
      gate.before = undefined
      gate.after = undefined
    }
    this.fleet.wire.mode = 'flow'
    this.fleet.wire.mend()
    this.fleet.wire.release()
    await this.fleet.quiet(20_000)
  }

  #group(i: number): string {
    return groupConversationId(this.fleet.user(GROUPS[i % GROUPS.length] as string))
  }

  #isLocked(group: string): boolean {
    return this.late.some((late) => late.group === group)
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.fleet.clock.after(this.fleet.ids.random() * 300, resolve))
  }
}

const user = (i: number): string => USERS[i % USERS.length] as string
/** Takes one out. */
const pick = <T>(from: T[], i: number): T | undefined => (from.length === 0 ? undefined : from.splice(i % from.length, 1)[0])

/** Plays a history to its end. Resolves to what is wrong. */
async function faultsOfPlay(open: OpenStage, seed: number, ops: readonly Op[]): Promise<readonly string[]> {
  const fleet = await Fleet.on(await open({ seed }), NODES, { stopWithTest: false })
  try {
    await fleet.group('one', ['ann', 'bob', 'cid'])
    await fleet.group('two', ['ann'])
    const play = new Play(fleet)
    for (const step of ops) await play.do(step)
    await play.heal()
    const faults = [...(await fleet.faults())]
    for (const connection of play.connections) connection.detach()
    await fleet.clock.settle()
    for (const { index } of fleet.nodes) {
      const left = { conversations: index.conversations, users: index.users, channels: index.channels }
      if (Object.values(left).some((n) => n > 0)) faults.push(`left behind: ${JSON.stringify(left)}`)
    }
    for (const line of fleet.logged) if (line.level === 'error') faults.push(`logged: ${line.message}`)
    return faults
  } finally {
    await fleet.stop()
  }
}

/** Histories that once went wrong, each with what it found. */
const found: readonly [number, Op[]][] = [
  // An attach with memberships read before a leave made the entry anew; the other devices were given what came after it.
  [
    0,
    [
      ...Array.from({ length: 3 }, (): Op => ({ op: 'attach', node: 0, a: 0, b: 0 })),
      { op: 'send', node: 0, a: 0, b: 0 },
      { op: 'slow', node: 0 },
      { op: 'leave', node: 0, a: 0, b: 0 },
      { op: 'attach', node: 0, a: 0, b: 0 },
      { op: 'direct', node: 0, a: 0, b: 0 },
      { op: 'send', node: 0, a: 0, b: 0 },
      { op: 'direct', node: 0, a: 0, b: 0 },
      { op: 'frame', a: 0 },
    ],
  ],
]

export function modelCases(open: OpenStage, histories: number): void {
  it('whatever fails, every connection comes to know everything once, in order, and nothing is left behind', {
    timeout: 120_000,
  }, async () => {
    const plays = fc.asyncProperty(fc.nat(), fc.array(op, { minLength: 5, maxLength: 60, size: 'max' }), async (seed, ops) => {
      expect(await faultsOfPlay(open, seed, ops)).toEqual([])
    })
    await fc.assert(plays, { examples: [...found], numRuns: Number(process.env['DELIVERY_RUNS'] ?? histories) })
  })
}
