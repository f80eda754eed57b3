import type { Bus } from '../../src/ports/index.js'

interface WireNode {
  readonly channels: Set<string>
  receive: (channel: string, bytes: Uint8Array) => void
  readonly listeners: Set<() => void>
}

/** A frame under way to one node. */
export interface UnderWay {
  readonly node: number
  readonly channel: string
  arrive(): void
}

/** What joins the nodes' buses: frames flow, are held for the test to let arrive when it likes, or are lost. */
export class Wire {
  mode: 'flow' | 'hold' | 'lose' = 'flow'
  /** Frames held, oldest first. */
  readonly held: UnderWay[] = []
  /** Delays the answer of a join. */
  onJoin: ((channel: string) => Promise<void>) | undefined
  #broken = false
  readonly #nodes: WireNode[] = []

  /** Breaks the bus and says so. */
  interrupt(): void {
    this.#turn(true)
  }

  mend(): void {
    this.#turn(false)
  }

  /** Channels joined by any node. */
  get channels(): readonly string[] {
    return this.#nodes.flatMap((node) => [...node.channels])
  }

  /** Lets the held frames arrive, oldest first. */
  release(): void {
    for (const frame of this.held.splice(0)) frame.arrive()
  }

  bus(): Bus {
    const wire = this
    const node: WireNode = { channels: new Set(), receive: () => undefined, listeners: new Set() }
    const at = this.#nodes.push(node) - 1
    let open = false
    return {
      async start() {
        open = true
      },
      async close() {
        open = false
        node.channels.clear()
      },
      publish(channel, bytes) {
        if (!open || wire.#broken || wire.mode === 'lose') return
        wire.#nodes.forEach((other, i) => {
          if (i !== at && other.channels.has(channel)) wire.#send(i, other, channel, bytes)
        })
      },
      async join(channel) {
        await wire.onJoin?.(channel)
        if (open) node.channels.add(channel)
      },
      async leave(channel) {
        node.channels.delete(channel)
      },
      onMessage(receive) {
        node.receive = receive
      },
      onInterrupted(listener) {
        node.listeners.add(listener)
      },
      get healthy() {
        return open && !wire.#broken
      },
    }
  }

  #send(i: number, to: WireNode, channel: string, bytes: Uint8Array): void {
    const arrive = (): void => {
      if (to.channels.has(channel)) to.receive(channel, bytes)
    }
    if (this.mode === 'hold') this.held.push({ node: i, channel, arrive })
    else queueMicrotask(arrive)
  }

  #turn(broken: boolean): void {
    this.#broken = broken
    for (const node of this.#nodes) for (const listener of node.listeners) listener()
  }
}
