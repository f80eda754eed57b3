import type { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import type { ServerNode } from '../world/server-node.js'
import type { World } from '../world/world.js'
import { ClientSocket, Wire } from './connection.js'
import { GivenOut } from './given-out.js'
import { type HttpAnswer, responseOf, serve } from './http.js'

/** What lies between devices and nodes, the balancer in front of the nodes included. */
export class Network {
  readonly wires = new Set<Wire>()
  readonly #world: World
  readonly #random: Random

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork('network')
  }

  dial(url: string, device: Process, canTerminate: boolean): ClientSocket {
    const { scheduler, conditions, trace } = this.#world
    const client = new ClientSocket(url, canTerminate)
    const refused = (): void => void scheduler.after(this.#delay(), device, () => client.ended(1006, ''))
    const target = this.#balance()
    if (target === undefined) {
      refused()
      return client
    }
    const { node, name } = target
    scheduler.after(this.#delay(), node.process, () => {
      if (node.refusesSockets || client.readyState !== 0) {
        refused()
        return
      }
      const random = this.#random.fork(`wire ${scheduler.steps}`)
      const onEnd = (ended: Wire): void => void this.wires.delete(ended)
      const givenOut = this.#follow(device)
      // A node that has not heard of a restore goes by the old log.
      const { epoch } = this.#world.database.data
      if (node.node.epoch.current !== epoch) givenOut.restored(epoch)
      const wire = new Wire({ client, device, node: node.process, scheduler, random, conditions: conditions.network, givenOut, onEnd })
      this.wires.add(wire)
      trace.line(device.name, () => `reaches ${name}`)
      const listener = node.accept(wire)
      this.#byListener.set(listener, wire)
      wire.accepted(listener)
    })
    return client
  }

  fetch(device: Process): typeof fetch {
    const { scheduler, conditions, trace, recorder } = this.#world
    return (input, init = {}) =>
      new Promise((resolve, reject) => {
        const url = String(input).replace('http://service', '')
        const { method = 'GET', signal, body } = init
        const fail = (afterMs: number): void => void scheduler.after(afterMs, device, () => reject(new TypeError('fetch failed')))
        signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')))
        const lost = this.#random.chance(conditions.httpLost)
        const lostAnswer = lost && this.#random.chance(0.5)
        const broken = this.#random.chance(conditions.httpBroken)
        if (lost || broken) recorder.fault(broken ? 'http broken' : 'http lost')
        const back = (answer: HttpAnswer): void =>
          void scheduler.after(this.#delay(), device, () => {
            trace.line(device.name, () => `${method} ${url} → ${answer.status}`)
            resolve(responseOf(answer))
          })
        if (broken && this.#random.chance(0.5)) {
          back({ status: 502, text: '<html>Bad Gateway</html>' })
          return
        }
        const target = this.#balance()
        if (target === undefined || (lost && !lostAnswer)) {
          // Some networks say so, some say nothing until the client gives up.
          if (target === undefined || this.#random.chance(0.5)) fail(this.#delay())
          return
        }
        const { node } = target
        const headers = init.headers as Record<string, string>
        scheduler.after(this.#delay(), node.process, () => {
          serve(node.router, { method, url, headers, ...(typeof body === 'string' ? { body } : {}) }, (answer) => {
            if (lostAnswer) return
            if (answer === undefined || broken) back({ status: 502, text: '<html>Bad Gateway</html>' })
            else back(answer)
          })
        })
        this.#watchDeath(node, () => fail(this.#delay()))
      })
  }

  readonly #byListener = new WeakMap<object, Wire>()

  /** What the node gives out over the connection that listens to a socket. */
  givenTo(listener: object): GivenOut | undefined {
    return this.#byListener.get(listener)?.givenOut
  }

  /** A node has lost its place in the feed. */
  doubted(process: Process): void {
    for (const wire of this.wires) if (wire.node === process) wire.givenOut.doubted()
  }

  /** The log is another one now. */
  restored(): void {
    const { epoch } = this.#world.database.data
    for (const wire of this.wires) wire.givenOut.restored(epoch)
  }

  /** A process has died; `told`: its kernel closes its connections. */
  died(process: Process, which: 'device' | 'node', told: boolean): void {
    for (const wire of [...this.wires]) if (wire[which] === process) wire.peerDied(which, told)
    for (const tell of this.#waiting.get(process) ?? []) tell()
    this.#waiting.delete(process)
  }

  readonly #waiting = new Map<Process, (() => void)[]>()

  #watchDeath({ process }: ServerNode, tell: () => void): void {
    const waiting = this.#waiting.get(process)
    if (waiting === undefined) this.#waiting.set(process, [tell])
    else waiting.push(tell)
  }

  #follow({ name }: Process): GivenOut {
    const { recorder, database } = this.#world
    const userId = name.slice(0, name.indexOf('/'))
    return new GivenOut(
      (conversationId) => database.data.conversations.get(conversationId)?.members.has(userId) === true,
      (rule, detail) => recorder.violation(rule, `${name} ${detail}`),
    )
  }

  /** Any node that runs; now and then one that does not, as health checks are late. */
  #balance(): { readonly node: ServerNode; readonly name: string } | undefined {
    const { node, name } = this.#random.pick(this.#world.slots)
    if (node?.process.alive === true) return { node, name }
    const [first] = this.#random.shuffled(this.#world.slots.filter((slot) => slot.node?.process.alive === true))
    return this.#random.chance(0.7) && first?.node !== undefined ? { node: first.node, name: first.name } : undefined
  }

  #delay(): number {
    return this.#random.exponential(this.#world.conditions.network.delayMs)
  }
}
