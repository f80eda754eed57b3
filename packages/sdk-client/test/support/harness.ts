import { createImClient, type ImClient, type ImClientOptions, type ImError, type Lifecycle, type Message } from '../../src/index.js'
import { FakeServer } from './fake-server.js'
import { seededIds, settle, VirtualClock } from './virtual-time.js'

export interface Harness {
  readonly clock: VirtualClock
  readonly server: FakeServer
  readonly im: ImClient
  readonly errors: ImError[]
  readonly messages: Message[]
  wake(): void
  /** A further client on the same server and clock. */
  client(options?: Partial<ImClientOptions>): ImClient
}

/** A client of `alice` against the fake server, all on one virtual clock. */
export function harness(options: Partial<ImClientOptions> = {}): Harness {
  const clock = new VirtualClock()
  const server = new FakeServer()
  const wakes = new Set<() => void>()
  const lifecycle: Lifecycle = {
    watch(onWake) {
      wakes.add(onWake)
      return () => wakes.delete(onWake)
    },
  }
  const client = (more: Partial<ImClientOptions> = {}) =>
    createImClient({
      url: 'http://server.test',
      getToken: () => 't-alice',
      webSocket: server.webSocket,
      fetch: server.fetch,
      clock,
      ids: seededIds(7),
      lifecycle,
      ...options,
      ...more,
    })
  const im = client()
  const errors: ImError[] = []
  const messages: Message[] = []
  im.on('error', (error) => errors.push(error))
  im.on('message', ({ message }) => messages.push(message))
  return {
    clock,
    server,
    im,
    errors,
    messages,
    client,
    wake: () => {
      for (const wake of [...wakes]) wake()
    },
  }
}

export { settle }
