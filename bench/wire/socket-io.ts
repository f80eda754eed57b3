import { type BenchClient, type ConnectClient, numberOf, textOf } from './client.js'
import { WebSocketSink } from './web-socket.js'

const PING = 0x32
const OPEN = 0x30
const EVENT = 0x32
const ACK = 0x33
const CONNECT = 0x30

/** socket.io's wire (Engine.IO 4, protocol 5) by hand: what its client sends, without its client's cost. */
export const connectSocketIo: ConnectClient = async ({ port, userId, room, listener }) => {
  let sink: WebSocketSink | undefined
  let acks = 0
  let joined = (): void => {}
  let joining = true
  const ready = new Promise<void>((resolve) => {
    joined = () => {
      joining = false
      resolve()
    }
  })
  const client: BenchClient = {
    userId,
    send: (target, n) => {
      const to = 'user' in target ? { to: target.user } : { room: target.room }
      sink?.send(`42${acks++}${JSON.stringify(['send', { ...to, id: n, body: textOf(n) }])}`)
    },
    acknowledge: (bytes, start, end) => sink?.send(`42["ack",${numberOf(bytes, start, end)}]`),
    close: () => sink?.close(),
  }
  await WebSocketSink.open(
    { port, path: '/socket.io/?EIO=4&transport=websocket' },
    {
      message(bytes, start, end) {
        const type = bytes[start]
        if (type === PING) return sink?.send('3')
        if (type === OPEN) return sink?.send(`40${JSON.stringify({ userId })}`)
        const packet = bytes[start + 1]
        if (packet === EVENT) listener.delivered(client, bytes, start, end)
        else if (packet === ACK) {
          if (joining) joined()
          else listener.accepted(client)
        } else if (packet === CONNECT) {
          if (room === undefined) joined()
          else sink?.send(`42${acks++}${JSON.stringify(['join', room])}`)
        } else listener.failed(`${userId}: ${bytes.toString('utf8', start, end)}`)
      },
      opened: (opened) => {
        sink = opened
      },
      lost: (reason) => listener.failed(`${userId}: ${reason}`),
    },
  )
  await ready
  return client
}
