import { createImServer } from '@innerline/server-core'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket } from 'ws'

/** A process of its own that serves, lets go and must then end by itself: `close`, `drain`, or neither started nor anything. */
const how = process.argv[2]
const im = createImServer({ authenticate: ({ token }) => (token === undefined ? null : { userId: token, userType: 'user' }) })
if (how !== 'construct') {
  const http = createServer(im.router)
  im.attach(http)
  await im.start()
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/chat`, 'v12.stomp')
  await new Promise((resolve) => socket.once('open', resolve))
  socket.send('CONNECT\naccept-version:1.2\npasscode:alice\n\n\0')
  await new Promise((resolve) => socket.once('message', resolve))
  socket.send(`SUBSCRIBE\nid:1\ndestination:/user/queue/messages\nreceipt:1\n\n\0`)
  await new Promise((resolve) => socket.once('message', resolve))
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  if (how === 'drain') await im.drain({ spreadMs: 100 })
  else await im.close()
  console.log(`client ${await closed}`)
  console.log(`listeners ${http.listenerCount('upgrade')}`)
  http.close()
}
console.log('done')
