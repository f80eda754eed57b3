import type { Violation } from '../checker/index.js'
import { guarded } from '../core/guards.js'
import { Faults } from '../workload/faults.js'
import { Places } from '../workload/conversations.js'
import { Workload } from '../workload/workload.js'
import { World } from '../world/world.js'
import { judge } from './judge.js'

/** What came of one seed. */
export interface Outcome {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** Equal for equal histories. */
  readonly digest: string
  readonly steps: number
  readonly virtualMs: number
  readonly figures: Figures
  readonly faults: Readonly<Record<string, number>>
}

export interface Figures {
  readonly sends: number
  readonly opens: number
  readonly reconnects: number
  readonly faults: number
}

/** Below this a history says too little; the generator is at fault then. */
export const FLOORS: Figures = { sends: 30, opens: 6, reconnects: 3, faults: 5 }

const REST_DEADLINE_MS = 600_000
const POLL_MS = 1_000
/** How long everything must have looked at rest: the longest pause that something unfinished may make. */
const REST_MS = 12_000

/** Plays the history of a seed to its end and judges it. `sink` is given the story line by line. */
export function playSeed(seed: number, sink?: (line: string) => void): Promise<Outcome> {
  const world = new World(seed, sink)
  const { recorder } = world
  return guarded(
    (what) => recorder.violation('real-world', what),
    async () => {
      await play(world)
      return outcomeOf(seed, world)
    },
  )
}

async function play(world: World): Promise<void> {
  const { profile, slots, devices, scheduler, director, random, recorder } = world
  const start = random.fork('start')
  const places = new Places(world)
  for (const slot of slots) scheduler.after(start.next() * 500, director, () => world.startNode(slot))
  for (const device of devices) scheduler.after(start.next() * 4_000, director, () => device.start())
  new Workload(world, places).plan()
  new Faults(world).plan()
  await world.run(profile.activeMs)
  world.heal()
  if (!(await rest(world))) return
  const found = new Set<string>()
  const check = async (when: string, how: { readonly badges: boolean }): Promise<void> => {
    for (const { rule, detail } of await judge(world, how)) {
      if (!found.has(`${rule} ${detail}`)) recorder.violations.push({ rule, detail: `${detail} (${when})` })
      found.add(`${rule} ${detail}`)
    }
  }
  await check('once healed', { badges: !losesHints(world) })
  // A summary makes good what hints have lost.
  for (const device of devices) device.disconnect()
  await world.run(5_000)
  for (const device of devices) device.connect()
  if (!(await rest(world))) return
  await check('after a new summary', { badges: true })
  // What was never opened is a promise, too: everything is opened and read to its beginning.
  for (const device of devices) {
    // One device of each user opens all of it: more would show the same at the price of most of the run.
    const all = places.of(device.userId)
    const some = device.number === 1 ? all : start.shuffled(all).slice(0, 3)
    for (const { conversationId } of some) device.open(conversationId)
  }
  if (!(await rest(world))) return
  await loadEverything(world)
  await check('with everything open', { badges: true })
  await end(world)
}

/** Whether something in this history could lose a cursor's hint, which nothing but a later summary makes good. */
const losesHints = ({ recorder: { faults }, profile: { conditions } }: World): boolean =>
  conditions.hintsMayBeLost || ['busDown', 'crashNode', 'drainNode', 'node dies around a call'].some((fault) => faults.has(fault))

/** Runs until nothing is under way; false, with a violation, when that does not come. */
async function rest(world: World): Promise<boolean> {
  const { scheduler, recorder } = world
  const deadline = scheduler.now + REST_DEADLINE_MS
  let restingSince: number | undefined
  let pending: readonly string[] = []
  while (scheduler.now < deadline) {
    await world.run(POLL_MS)
    pending = underWay(world)
    if (pending.length > 0) restingSince = undefined
    else if (restingSince === undefined) restingSince = scheduler.now
    else if (scheduler.now - restingSince >= REST_MS) return true
  }
  recorder.violation('no-rest', `after ${REST_DEADLINE_MS / 1_000} s without faults: ${pending.slice(0, 6).join('; ')}`)
  return false
}

function underWay({ slots, devices, network, recorder }: World): readonly string[] {
  const pending: string[] = []
  for (const { msgId, app, endedAt, appEnded } of recorder.sends)
    if (endedAt === undefined && !appEnded) pending.push(`${app} waits for ${msgId}`)
  for (const wire of network.wires)
    if (wire.isDeadUnnoticed) pending.push(`${wire.device.name} has not noticed that its connection is dead`)
  for (const { name, node } of slots) {
    if (node?.serving !== true) pending.push(`${name} does not serve`)
    else if (node.node.lanes.depth > 0) pending.push(`${name} has ${node.node.lanes.depth} messages in its lanes`)
  }
  for (const { name, app } of devices) {
    if (app === undefined) {
      pending.push(`${name} has no app`)
      continue
    }
    const { status } = app.im.connection.getSnapshot()
    if (status !== 'connected') pending.push(`${name} is ${status}`)
    for (const { msgId, status: state } of app.im.outbox.getSnapshot())
      if (state !== 'failed') pending.push(`${name} has ${msgId} ${state}`)
    for (const id of app.opens.keys()) {
      const { sync } = app.im.conversations.get(id).getSnapshot()
      if (sync !== 'live') pending.push(`${name} is ${sync} in ${id}`)
    }
  }
  return pending
}

async function loadEverything(world: World): Promise<void> {
  const { devices, recorder } = world
  for (const { app, name } of devices) {
    for (const id of app?.opens.keys() ?? []) {
      const conversation = app?.im.conversations.get(id)
      const load = (): void => {
        if (conversation?.hasOlder !== true) return
        conversation
          .loadOlder({ limit: 200 })
          .then(load, (error: unknown) => recorder.violation('client-error', `${name}: loadOlder in ${id} rejects with ${String(error)}`))
      }
      load()
    }
  }
  await world.run(5_000)
  for (const { app, name } of devices) {
    for (const id of app?.opens.keys() ?? []) {
      if (app?.im.conversations.get(id).hasOlder === true) recorder.violation('hidden-hole', `${name} cannot load ${id} to its beginning`)
    }
  }
}

/** Everybody goes: nothing may be left in any node or app. */
async function end(world: World): Promise<void> {
  const { devices, slots, recorder, presence } = world
  for (const { app } of devices) void app?.im.destroy()
  await world.run(60_000)
  for (const { app, name } of devices)
    if (app !== undefined && app.process.timers > 0) recorder.violation('left-behind', `${name} leaves ${app.process.timers} timers`)
  for (const { name, node } of slots) {
    if (node === undefined) continue
    const { index, gateway, lanes } = node.node
    const left = {
      ...{ conversations: index.conversations, users: index.users, channels: index.channels },
      ...{ connections: gateway.connections, buffered: gateway.bufferedBytes, lanes: lanes.depth },
    }
    if (Object.values(left).some((n) => n > 0)) recorder.violation('left-behind', `${name} keeps ${JSON.stringify(left)}`)
    void node.close()
  }
  await world.run(30_000)
  for (const { name, node } of slots) {
    if (node !== undefined && node.process.timers > 0) recorder.violation('left-behind', `${name} leaves ${node.process.timers} timers`)
  }
  if (presence.byUser.size > 0) recorder.violation('left-behind', `presence keeps ${[...presence.byUser.keys()].join(', ')}`)
}

function outcomeOf(seed: number, { recorder, scheduler, devices, profile }: World): Outcome {
  const { counts, faults, faultCount, violations } = recorder
  const figures = {
    sends: counts.get('send') ?? 0,
    opens: counts.get('open') ?? 0,
    reconnects: Math.max(0, (counts.get('connected') ?? 0) - devices.length),
    faults: faultCount,
  }
  for (const [name, floor] of Object.entries(FLOORS) as [keyof Figures, number][]) {
    if (figures[name] < floor)
      recorder.violation('empty-history', `${figures[name]} ${name} in ${(profile.activeMs / 1_000).toFixed(0)} s, the floor is ${floor}`)
  }
  const digest = scheduler.digest.toString(16).padStart(8, '0')
  return {
    seed,
    violations,
    digest,
    steps: scheduler.steps,
    virtualMs: Math.round(scheduler.now),
    figures,
    faults: Object.fromEntries(faults),
  }
}
