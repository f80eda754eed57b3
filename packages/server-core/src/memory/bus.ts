import type { Bus } from '../ports/bus.js'
import { silentLogger, type Logger } from '../ports/logger.js'

/** Where the memory buses of one process meet. */
export interface MemoryHub {
  /** Loses everything from now on, as a broken network would; tells every node. */
  interrupt(): void
  /** Lets frames flow again; tells every node. */
  mend(): void
}

interface HubNode {
  receive: (channel: string, bytes: Uint8Array) => void
  interrupted: () => void
  readonly logger: Logger
}

class Hub implements MemoryHub {
  readonly nodes = new Set<HubNode>()
  readonly channels = new Map<string, Set<HubNode>>()
  broken = false

  interrupt(): void {
    this.#turn(true)
  }

  mend(): void {
    this.#turn(false)
  }

  #turn(broken: boolean): void {
    if (this.broken === broken) return
    this.broken = broken
    for (const node of this.nodes) node.interrupted()
  }
}

/** A hub for {@link memoryBus}; nodes that share it reach each other. */
export const createMemoryHub = (): MemoryHub => new Hub()

export interface MemoryBusOptions {
  /** Shared with other nodes of this process; without it a node is alone. */
  readonly hub?: MemoryHub | undefined
  readonly logger?: Logger | undefined
}

/** A {@link Bus} between nodes of one process. Frames arrive on a later microtask, in order, unless the hub is interrupted. */
export function memoryBus(options: MemoryBusOptions = {}): Bus {
  const hub = (options.hub ?? createMemoryHub()) as Hub
  const listeners = new Set<() => void>()
  const node: HubNode = {
    receive: () => {},
    interrupted: () => {
      for (const listener of listeners) guarded(node.logger, listener)
    },
    logger: options.logger ?? silentLogger,
  }
  const joined = new Set<string>()
  let open = false

  const leave = (channel: string): void => {
    joined.delete(channel)
    const nodes = hub.channels.get(channel)
    nodes?.delete(node)
    if (nodes?.size === 0) hub.channels.delete(channel)
  }

  return {
    async start() {
      open = true
      hub.nodes.add(node)
    },
    async close() {
      open = false
      hub.nodes.delete(node)
      for (const channel of [...joined]) leave(channel)
    },
    publish(channel, bytes) {
      if (!open || hub.broken) return
      for (const other of hub.channels.get(channel) ?? []) if (other !== node) deliver(hub, other, channel, bytes)
    },
    async join(channel) {
      if (!open) return
      joined.add(channel)
      const nodes = hub.channels.get(channel)
      if (nodes === undefined) hub.channels.set(channel, new Set([node]))
      else nodes.add(node)
    },
    async leave(channel) {
      leave(channel)
    },
    onMessage(receive) {
      node.receive = receive
    },
    onInterrupted(listener) {
      listeners.add(listener)
    },
    get healthy() {
      return open && !hub.broken
    },
    get alone() {
      return hub.nodes.size === 1 && open
    },
  }
}

function deliver(hub: Hub, node: HubNode, channel: string, bytes: Uint8Array): void {
  queueMicrotask(() => {
    // Left, closed or broken in the meantime: a frame under way is lost, as on any network.
    if (hub.broken || hub.channels.get(channel)?.has(node) !== true) return
    guarded(node.logger, () => node.receive(channel, bytes))
  })
}

function guarded(logger: Logger, call: () => void): void {
  try {
    call()
  } catch (error) {
    logger.error({ err: error }, 'A receiver of the bus threw.')
  }
}
