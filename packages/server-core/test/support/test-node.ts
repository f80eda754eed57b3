import { type Ids, QUEUES } from '@innerline/protocol'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Handshake } from '../../src/gateway/index.js'
import { createNode, type Node } from '../../src/node.js'
import { closeNode, startNode } from '../../src/node-life.js'
import { type ImServerOptions, resolveOptions } from '../../src/options.js'
import type { Authenticate, Logger, Principal } from '../../src/ports/index.js'
import { MemorySocket } from './memory-socket.js'
import { TestClock } from './test-clock.js'
import { TestIds } from './test-ids.js'

export interface LoggedLine {
  readonly level: string
  readonly fields: object
  readonly message: string | undefined
}

/** A node with everything in memory, under a virtual clock, and clients on in-memory wires. */
export interface TestNode extends Node {
  readonly clock: TestClock
  readonly ids: Ids
  readonly logged: LoggedLine[]
  /** Counters the node has raised. */
  readonly counted: Map<string, number>
  /** A socket that has been upgraded and has said nothing yet. */
  dial(handshake?: Partial<Handshake>): MemorySocket
  /** A connected client, subscribed to `queues` (default: all four); what that brought it is forgotten. */
  client(token: string, options?: ClientOptions): Promise<MemorySocket>
}

export interface ClientOptions {
  readonly queues?: readonly (keyof typeof QUEUES)[]
  /** Further CONNECT headers. */
  readonly headers?: Readonly<Record<string, string>>
  readonly ack?: 'auto' | 'client' | 'client-individual'
  readonly handshake?: Partial<Handshake>
}

/** Tokens are JSON principals or plain user ids; an empty one is not accepted. */
export const authenticateByToken: Authenticate = ({ token }) => {
  if (token === undefined || token === '') return null
  return token.startsWith('{') ? (JSON.parse(token) as Principal) : { userId: token, userType: 'user' }
}

/** A server's options, but for a clock that only a test moves. */
export type TestNodeOptions = Partial<Omit<ImServerOptions, 'clock'>> & { readonly clock?: TestClock }

/** Starts a node as the server does, without its HTTP side; stopped when the test ends. */
export async function startTestNode({ clock = new TestClock(), ids = new TestIds(), ...options }: TestNodeOptions = {}): Promise<TestNode> {
  const logged: LoggedLine[] = []
  const counted = new Map<string, number>()
  const log = (level: string) => (fields: object, message?: string) => {
    logged.push({ level, fields, message })
  }
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const metrics = {
    count: (name: string, by = 1): void => void counted.set(name, (counted.get(name) ?? 0) + by),
    gauge: () => undefined,
    observe: () => undefined,
  }
  const resolved = resolveOptions({ authenticate: authenticateByToken, clock, ids, logger, metrics, ...options })
  const node = createNode(resolved)
  const { gateway } = node
  await startNode(node, resolved)
  onTestFinished(() => closeNode(node, logger))

  const dial = (handshake: Partial<Handshake> = {}): MemorySocket => {
    const socket = new MemorySocket()
    const req = new IncomingMessage(new Socket())
    socket.listen(gateway.accept(socket, { endpoint: 'chat', req, hasOrigin: false, queryToken: undefined, ...handshake }))
    return socket
  }
  const client = async (token: string, how: ClientOptions = {}): Promise<MemorySocket> => {
    const socket = dial(how.handshake)
    socket.send('CONNECT', { 'accept-version': '1.2', host: 'test', Authorization: `Bearer ${token}`, ...how.headers })
    await clock.settle()
    if (socket.frames('CONNECTED').length !== 1) throw new Error(`not connected: ${JSON.stringify(socket.error)}`)
    for (const queue of how.queues ?? (['errors', 'session', 'heartbeat', 'messages'] as const)) {
      socket.send('SUBSCRIBE', { id: queue, destination: QUEUES[queue], receipt: `sub-${queue}`, ack: how.ack ?? 'auto' })
    }
    await clock.settle()
    for (const queue of how.queues ?? ['messages']) {
      if (socket.receipt(`sub-${queue}`) === undefined) throw new Error(`${queue} was not subscribed`)
    }
    socket.received.length = 0
    return socket
  }
  return { ...node, clock, ids, logged, counted, dial, client }
}

/** Body of a SEND to chat.sendMessage. */
export const textTo = (toUserId: string, text: string, msgId?: string): string =>
  JSON.stringify({ ...(msgId === undefined ? {} : { msgId }), toUserId, body: { type: 'text', text } })
