import { PresenceTable } from '../../packages/server-core/src/memory/presence.js'
import { EPOCH_MS, Process } from '../core/process.js'
import { Random } from '../core/random.js'
import { Scheduler } from '../core/scheduler.js'
import { Trace } from '../core/trace.js'
import { BusNetwork } from '../network/bus.js'
import { Network } from '../network/network.js'
import { Database } from '../storage/database.js'
import { Device } from './device.js'
import { drawProfile, heal, type Profile, type WorldConditions } from './profile.js'
import { Recorder } from './recorder.js'
import { ServerNode } from './server-node.js'

const NODES = 3
const NAMES = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay', 'gus', 'hal', 'ida', 'jon', 'kim', 'leo'] as const

/** A place in which one server process at a time runs. */
export interface Slot {
  readonly name: string
  node: ServerNode | undefined
  runs: number
}

/** Everything there is in one history. */
export class World {
  readonly random: Random
  readonly profile: Profile
  readonly conditions: WorldConditions
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly recorder: Recorder
  readonly database: Database
  readonly bus: BusNetwork
  readonly network: Network
  readonly presence: PresenceTable
  readonly slots: readonly Slot[]
  readonly users: readonly string[]
  readonly devices: readonly Device[]
  /** Who draws what happens next. */
  readonly director: Process
  /** Nodes that have been told to go and have not gone. */
  readonly leaving = new Set<ServerNode>()

  constructor(seed: number, sink?: (line: string) => void) {
    this.random = new Random(seed)
    this.profile = drawProfile(this.random.fork('profile'))
    this.conditions = this.profile.conditions
    this.scheduler = new Scheduler((owner, error) => {
      this.recorder.violation('uncaught', `${owner.name}: ${error instanceof Error ? error.stack : String(error)}`)
    })
    this.trace = new Trace(this.scheduler, sink)
    this.recorder = new Recorder(this.scheduler)
    const { scheduler, random, trace, recorder } = this
    this.director = new Process('director', scheduler, random.fork('director'))
    this.database = new Database(scheduler, random.fork('database'), this.conditions.database, recorder, trace)
    recorder.data = this.database.data
    this.database.watch = (process, method, phase) => this.#perhapsDie(process, method, phase)
    this.bus = new BusNetwork(scheduler, random.fork('bus'), this.conditions.bus, trace)
    this.network = new Network(this)
    this.database.epochOf = (process) => this.slots.find((slot) => slot.node?.process === process)?.node?.node.epoch.current
    this.database.onStale = (process) => this.network.doubted(process)
    this.presence = new PresenceTable(this.database.machine.clock)
    this.slots = Array.from({ length: NODES }, (_, i) => ({ name: `node ${'ABC'[i]}`, node: undefined, runs: 0 }))
    this.users = NAMES.slice(0, this.profile.users)
    this.devices = this.users.flatMap((userId) =>
      Array.from({ length: this.profile.devicesPerUser }, (_, i) => new Device(userId, i + 1, this)),
    )
  }

  /** The time that clocks should show. */
  wallNow(): number {
    return Math.floor(EPOCH_MS + this.scheduler.now)
  }

  run(ms: number): Promise<void> {
    return this.scheduler.run(this.scheduler.now + ms)
  }

  startNode(slot: Slot): void {
    if (slot.node !== undefined) return
    const node = new ServerNode(`${slot.name}${++slot.runs}`, this)
    slot.node = node
    this.trace.line(node.process.name, () => 'starts')
    node.start()
  }

  /** `kill -9`, or the machine's end when nobody is told. */
  crashNode(slot: Slot, told: boolean): void {
    const { node } = slot
    if (node === undefined) return
    slot.node = undefined
    this.leaving.delete(node)
    this.trace.line(node.process.name, () => (told ? 'crashes' : 'vanishes'))
    node.process.kill()
    this.bus.sweep()
    this.network.died(node.process, 'node', told)
    this.recorder.processEnded(node.process.name)
  }

  drainNode(slot: Slot, spreadMs: number): void {
    const { node } = slot
    if (node === undefined || !node.serving || this.leaving.has(node)) return
    this.leaving.add(node)
    this.trace.line(node.process.name, () => 'drains')
    void node.drain(spreadMs).then(() => {
      if (!node.process.alive) return
      this.trace.line(node.process.name, () => 'has drained')
      this.crashNode(slot, true)
    })
  }

  /** Ends everything that fails; what has been lost stays lost. */
  heal(): void {
    this.trace.line('director', () => 'everything heals')
    heal(this.conditions)
    this.bus.turn(false)
    this.database.machine.thaw()
    for (const { up, down } of this.network.wires) {
      up.flow()
      down.flow()
    }
    for (const slot of this.slots) {
      slot.node?.process.thaw()
      if (slot.node !== undefined) slot.node.process.wallOffsetMs = 0
      this.startNode(slot)
    }
    for (const device of this.devices) {
      device.start()
      const { app } = device
      if (app === undefined) continue
      app.process.thaw()
      app.process.wallOffsetMs = 0
      if (!app.online) device.connect()
    }
  }

  #perhapsDie(process: Process, method: string, phase: 'asked' | 'done'): void {
    const { conditions, scheduler, recorder, trace } = this
    if (conditions.dieAtCall === 0 || !this.#deaths.chance(conditions.dieAtCall)) return
    // Not in the middle of a step: a process ends between two.
    scheduler.at(scheduler.now, this.director, () => {
      const slot = this.slots.find(({ node }) => node?.process === process)
      if (slot === undefined) return
      recorder.fault('node dies around a call')
      trace.line(process.name, () => `dies with ${method} ${phase}`)
      this.crashNode(slot, true)
      scheduler.after(this.#deaths.exponential(3_000), this.director, () => this.startNode(slot))
    })
  }

  get #deaths(): Random {
    this.#deathsRandom ??= this.random.fork('deaths')
    return this.#deathsRandom
  }

  #deathsRandom: Random | undefined
}
