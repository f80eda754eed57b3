import type { Bus } from '@innerline/server-core'
import type { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import type { Scheduler } from '../core/scheduler.js'
import type { Trace } from '../core/trace.js'

/** What the bus does to frames. */
export interface BusConditions {
  delayMs: number
  /** Chance that a frame is lost without a word. */
  lost: number
  /** Chance that it comes twice. */
  repeated: number
  /** Chance that it comes this much late, behind others. */
  late: number
  lateMs: number
}

interface Member {
  readonly process: Process
  readonly channels: Set<string>
  receive: (channel: string, bytes: Uint8Array) => void
  readonly interrupted: Set<() => void>
}

/** Joins the nodes of a world: late, lossy, out of order, and down now and then. */
export class BusNetwork {
  isDown = false
  frames = 0
  readonly #members = new Set<Member>()

  constructor(
    readonly scheduler: Scheduler,
    readonly random: Random,
    readonly conditions: BusConditions,
    readonly trace: Trace,
  ) {}

  /** Breaks or mends it; every node is told, each in its own time. */
  turn(down: boolean): void {
    if (this.isDown === down) return
    this.isDown = down
    for (const { process, interrupted } of this.#members) {
      this.#later(process, () => {
        for (const listener of interrupted) listener()
      })
    }
  }

  /** Forgets the processes that have died. */
  sweep(): void {
    for (const member of this.#members) if (!member.process.alive) this.#members.delete(member)
  }

  bus(process: Process): Bus {
    const member: Member = { process, channels: new Set(), receive: () => {}, interrupted: new Set() }
    let open = false
    const soon = (fn: () => void): Promise<void> =>
      new Promise((resolve) => {
        this.#later(process, () => {
          fn()
          resolve()
        })
      })
    const isDown = (): boolean => this.isDown
    return {
      start: () =>
        soon(() => {
          open = true
          this.#members.add(member)
        }),
      async close() {
        open = false
        member.channels.clear()
      },
      publish: (channel, bytes) => {
        if (open && !this.isDown) this.#publish(member, channel, bytes)
      },
      join: (channel) => soon(() => open && member.channels.add(channel)),
      leave: (channel) => soon(() => member.channels.delete(channel)),
      onMessage(receive) {
        member.receive = receive
      },
      onInterrupted(listener) {
        member.interrupted.add(listener)
      },
      get healthy() {
        return open && !isDown()
      },
    }
  }

  #publish(from: Member, channel: string, bytes: Uint8Array): void {
    const { random, conditions, trace } = this
    for (const to of this.#members) {
      if (to === from || !to.channels.has(channel)) continue
      this.frames++
      if (random.chance(conditions.lost)) {
        trace.line('bus', () => `loses a frame of ${from.process.name} to ${to.process.name} on ${channel}`)
        continue
      }
      this.#deliver(to, channel, bytes)
      if (random.chance(conditions.repeated)) {
        trace.line('bus', () => `repeats a frame of ${from.process.name} to ${to.process.name} on ${channel}`)
        this.#deliver(to, channel, bytes)
      }
    }
  }

  #deliver(to: Member, channel: string, bytes: Uint8Array): void {
    const { random, conditions } = this
    const extra = random.chance(conditions.late) ? random.exponential(conditions.lateMs) : 0
    this.#later(
      to.process,
      () => {
        if (!this.isDown && to.channels.has(channel)) to.receive(channel, bytes)
      },
      extra,
    )
  }

  #later(process: Process, fn: () => void, extraMs = 0): void {
    this.scheduler.after(extraMs + this.random.exponential(this.conditions.delayMs), process, fn)
  }
}
