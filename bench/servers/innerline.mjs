// The built package, mounted as a service mounts it: in memory, or on the database it is given. Only the limits that would refuse the
// load are raised.
import { serve, unavailable } from './control.mjs'

const core = await import('../../packages/server-core/dist/index.js').catch((error) => ({ error }))

const LIMITS = {
  sendsPerSecond: 1e9,
  sendBurst: 1e9,
  framesPerSecond: 1e9,
  frameBurst: 1e9,
  upgradesPerSecond: 1e9,
  unauthenticatedSockets: 1e6,
}

async function storageOf({ BENCH_DATABASE: uri, BENCH_NAMESPACE: namespace }) {
  if (uri === undefined) return core.memoryStorage({ clock: core.systemClock })
  const { mysqlStorage } = await import('../../packages/adapters-mysql/dist/index.js')
  return mysqlStorage({ uri, namespace })
}

async function run() {
  const clock = core.systemClock
  const storage = await storageOf(process.env)
  const im = core.createImServer({
    storage,
    limits: LIMITS,
    authenticate: ({ token }) => (token === undefined ? null : { userId: token, userType: 'user' }),
  })
  await serve({
    async attach(server) {
      im.attach(server)
      await im.start()
    },
    // Groups have no public call in this version; the log, the member index and the fan-out are the ones they will use.
    async open(room, userIds) {
      await storage.openConversation({ conversationId: room, chatType: 'group', userIds, nodeId: 'bench', now: clock.now() })
    },
  })
}

if (core.createImServer === undefined)
  unavailable(`packages/server-core is not built (${core.error?.message ?? 'it has no createImServer'})`)
else await run()
