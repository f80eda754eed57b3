import type { Random } from '../core/random.js'
import type { Device } from '../world/device.js'
import type { Fault } from '../world/profile.js'
import type { Slot, World } from '../world/world.js'

const TRIES = 5
const TRIMS = 12

/** What befalls the world: draws faults over the active time and makes them end after a while. */
export class Faults {
  readonly #world: World
  readonly #random: Random

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork('faults')
  }

  plan(): void {
    const { profile, scheduler, director } = this.#world
    for (let i = 0; i < profile.faults; i++) {
      scheduler.at(this.#random.next() * profile.activeMs, director, () => this.#strike(TRIES))
    }
    if (profile.feedKeepMs < profile.activeMs) this.#planTrims()
  }

  /** Rows of the feed are deleted far more often than nodes come round to it, so that some reader is behind at the time. */
  #planTrims(): void {
    const { profile, scheduler, director, database, recorder, random } = this.#world
    const chance = random.fork('trims')
    for (let i = 0; i < TRIMS; i++) {
      scheduler.at(chance.next() * profile.activeMs, director, () => {
        recorder.fault('trimFeed')
        void database.admin.trimChanges({ keepMs: profile.feedKeepMs, readerLostAfterMs: Number.POSITIVE_INFINITY, limit: 5_000 })
      })
    }
  }

  /** What is down or away already cannot be struck: then something else is. */
  #strike(triesLeft: number): void {
    const { devices, slots, recorder, profile } = this.#world
    const fault: Fault = this.#random.weighted(profile.faultWeights)
    if (this[fault](this.#random.pick(devices), this.#random.pick(slots))) recorder.fault(fault)
    else if (triesLeft > 1) this.#strike(triesLeft - 1)
  }

  /** Undoes something after a while, and not after everything has healed. */
  #later(meanMs: number, fn: () => void): void {
    const { scheduler, director } = this.#world
    scheduler.after(this.#random.exponential(meanMs), director, fn)
  }

  breakWire(): boolean {
    const wires = [...this.#world.network.wires]
    if (wires.length === 0) return false
    const wire = this.#random.pick(wires)
    const noticed = this.#random.weighted({ both: 4, client: 2, server: 2, nobody: 2 })
    this.#world.trace.line('network', () => `breaks ${wire.device.name} – ${wire.node.name}, noticed by ${noticed}`)
    wire.break(noticed)
    return true
  }

  stallWire(): boolean {
    const wires = [...this.#world.network.wires]
    if (wires.length === 0) return false
    const wire = this.#random.pick(wires)
    const pipe = this.#random.chance(0.7) ? wire.down : wire.up
    this.#world.trace.line('network', () => `stalls ${wire.device.name} – ${wire.node.name}`)
    pipe.stall()
    this.#later(4_000, () => pipe.flow())
    return true
  }

  crashNode(_: Device, slot: Slot): boolean {
    if (slot.node === undefined) return false
    this.#world.crashNode(slot, this.#random.chance(0.7))
    this.#later(3_000, () => this.#world.startNode(slot))
    return true
  }

  freezeNode(_: Device, { node }: Slot): boolean {
    if (node === undefined || node.process.frozen) return false
    this.#world.trace.line(node.process.name, () => 'freezes')
    node.process.freeze()
    this.#later(this.#random.pick([300, 3_000, 12_000]), () => {
      this.#world.trace.line(node.process.name, () => 'wakes')
      node.process.thaw()
    })
    return true
  }

  drainNode(_: Device, slot: Slot): boolean {
    if (slot.node?.serving !== true) return false
    this.#world.drainNode(slot, this.#random.between(0, 3_000))
    // As a supervisor does: kills what has not gone in time, then starts the next.
    const leaving = slot.node
    const next = (): void => {
      if (slot.node === leaving) this.#world.crashNode(slot, true)
      this.#world.startNode(slot)
    }
    this.#later(12_000, next)
    return true
  }

  stepNodeClock(_: Device, { node }: Slot): boolean {
    if (node === undefined) return false
    node.process.wallOffsetMs = this.#step()
    this.#world.trace.line(node.process.name, () => `has its clock set off by ${node.process.wallOffsetMs} ms`)
    return true
  }

  crashApp(device: Device): boolean {
    if (device.app === undefined) return false
    this.#world.trace.line(device.name, () => 'loses its app')
    device.crash(this.#random.chance(0.7))
    this.#later(2_000, () => device.start())
    return true
  }

  suspendApp(device: Device): boolean {
    const process = device.app?.process
    if (process === undefined || process.frozen) return false
    this.#world.trace.line(device.name, () => 'is put to sleep')
    process.freeze()
    this.#later(this.#random.pick([1_000, 8_000, 60_000]), () => {
      this.#world.trace.line(device.name, () => 'wakes')
      process.thaw()
    })
    return true
  }

  stepAppClock({ app, name }: Device): boolean {
    if (app === undefined) return false
    app.process.wallOffsetMs = this.#step()
    this.#world.trace.line(name, () => `has its clock set off by ${app.process.wallOffsetMs} ms`)
    return true
  }

  loseStore(device: Device): boolean {
    this.#world.trace.line(device.name, () => 'loses its store')
    device.loseStore()
    this.#later(2_000, () => device.start())
    return true
  }

  busDown(): boolean {
    const { bus, trace } = this.#world
    if (bus.isDown) return false
    trace.line('bus', () => 'breaks')
    bus.turn(true)
    this.#later(5_000, () => {
      trace.line('bus', () => 'is mended')
      bus.turn(false)
    })
    return true
  }

  databaseDown(): boolean {
    const { database, trace } = this.#world
    if (database.machine.frozen) return false
    trace.line('database', () => 'stops answering')
    database.machine.freeze()
    this.#later(3_000, () => {
      trace.line('database', () => 'answers again')
      database.machine.thaw()
    })
    return true
  }

  raiseEpoch(): boolean {
    const { database, trace } = this.#world
    trace.line('operator', () => 'raises the epoch')
    void database.admin.raiseEpoch()
    return true
  }

  /** A backup is played in: the newest entries of some conversations are gone, and the operator says so by a new epoch. */
  restore(): boolean {
    const { database, recorder, network, trace } = this.#world
    const lost = database.restore(this.#random)
    trace.line(
      'operator',
      () => `plays in a backup; lost are ${lost.map(({ conversationId, seq }) => `${conversationId}#${seq}`).join(', ')}`,
    )
    recorder.restored(lost)
    network.restored()
    return true
  }

  #step(): number {
    return Math.round((this.#random.next() - 0.5) * this.#random.pick([2_000, 60_000, 3_600_000]))
  }
}
