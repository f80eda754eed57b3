// What every process of the benchmarks has beside its own work: it answers the load generator's questions about itself over the IPC
// channel, and a server listens and says where. Plain JavaScript run by plain node, so that no loader stands between the figures and
// the code.
import { createServer } from 'node:http'
import { Session } from 'node:inspector/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Answers questions about this process and those of `operations`, from now on until the load generator ends.
 *
 * @param {Record<string, (argument: any) => unknown>} operations
 */
export function answer(operations) {
  const inspector = new Session()
  let inspecting = false
  // Not before it is needed: a process under inspection is not quite the one in service.
  const inspect = (method, parameters) => {
    if (!inspecting) inspector.connect()
    inspecting = true
    return inspector.post(method, parameters)
  }

  const memory = async () => {
    // What developer tools ask for gives pages back to the system, which `gc()` does not: without it RSS still holds the room that
    // connecting took. Once is not enough, as finalizers and weak references let go of more only afterwards.
    for (let i = 0; i < 3; i++) {
      await inspect('HeapProfiler.collectGarbage')
      await sleep(100)
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, heapUsed, external }
  }
  const all = {
    usage: () => process.cpuUsage(),
    memory,
    async profileStart() {
      await inspect('Profiler.enable')
      await inspect('Profiler.setSamplingInterval', { interval: 200 })
      await inspect('Profiler.start')
    },
    profileStop: async () => (await inspect('Profiler.stop')).profile,
    ...operations,
  }

  process.on('message', async ({ id, operation, argument }) => {
    try {
      process.send({ id, result: await all[operation](argument) })
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) })
    }
  })
  process.on('disconnect', () => process.exit(0))
}

/** Tells the load generator that this process is ready; a server says on which port. */
export function ready(port = 0) {
  process.send({ port })
}

/**
 * @param {object} parts
 * @param {(server: import('node:http').Server) => Promise<void> | void} parts.attach puts the contender on the HTTP server
 * @param {(room: string, userIds: string[]) => Promise<void> | void} [parts.open] makes a room's members known before they connect
 */
export async function serve({ attach, open = () => {} }) {
  const server = createServer((_, response) => response.writeHead(404).end())
  await attach(server)
  answer({ open: ({ room, userIds }) => open(room, userIds) })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => ready(server.address().port))
}

/** Ends this server with one sentence the load generator shows instead of figures. */
export function unavailable(reason) {
  process.send({ unavailable: reason }, () => process.exit(0))
}
