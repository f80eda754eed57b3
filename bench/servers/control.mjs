// What every server of the benchmarks has beside its own work: it listens, says where, and answers the load generator's questions
// about itself over the IPC channel. Plain JavaScript run by plain node, so that no loader stands between the figures and the code.
import { createServer } from 'node:http'
import { Session } from 'node:inspector/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * @param {object} parts
 * @param {(server: import('node:http').Server) => Promise<void> | void} parts.attach puts the contender on the HTTP server
 * @param {(room: string, userIds: string[]) => Promise<void> | void} [parts.open] makes a room's members known before they connect
 */
export async function serve({ attach, open = () => {} }) {
  const server = createServer((_, response) => response.writeHead(404).end())
  await attach(server)
  const inspector = new Session()

  const memory = async () => {
    // One collection leaves what finalizers and weak references let go of only afterwards.
    for (let i = 0; i < 4; i++) {
      globalThis.gc()
      await sleep(50)
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, heapUsed, external }
  }
  const operations = {
    usage: () => process.cpuUsage(),
    memory,
    open: ({ room, userIds }) => open(room, userIds),
    async profileStart() {
      inspector.connect()
      await inspector.post('Profiler.enable')
      await inspector.post('Profiler.setSamplingInterval', { interval: 200 })
      await inspector.post('Profiler.start')
    },
    profileStop: async () => (await inspector.post('Profiler.stop')).profile,
  }

  process.on('message', async ({ id, operation, argument }) => {
    try {
      process.send({ id, result: await operations[operation](argument) })
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) })
    }
  })
  process.on('disconnect', () => process.exit(0))
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => process.send({ port: server.address().port }))
}

/** Ends this server with one sentence the load generator shows instead of figures. */
export function unavailable(reason) {
  process.send({ unavailable: reason }, () => process.exit(0))
}
