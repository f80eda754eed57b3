import { type BenchClient, type ConnectClient, type Target, numberOf, textOf } from './client.js'
import { WebSocketSink } from './web-socket.js'

/** First letter of a message's first key. */
const FROM = 0x66
const HELLO = 0x68

/** The reference's wire: `{to | room, id, body}`, answered with `{ack}`; `{from, id, body}` to receivers, who answer `{ack}`. */
export const connectRaw: ConnectClient = async ({ port, userId, room, listener }) => {
  let sink: WebSocketSink | undefined
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
    send: (target: Target, n) => {
      const to = 'user' in target ? { to: target.user } : { room: target.room }
      sink?.send(JSON.stringify({ ...to, id: n, body: textOf(n) }))
    },
    acknowledge: (bytes, start, end) => sink?.send(`{"ack":${numberOf(bytes, start, end)}}`),
    close: () => sink?.close(),
  }
  await WebSocketSink.open(
    { port, path: '/raw', headers: { 'x-user': userId } },
    {
      message(bytes, start, end) {
        const kind = bytes[start + 2]
        if (kind === FROM) listener.delivered(client, bytes, start, end)
        else if (kind === HELLO) {
          if (room === undefined) joined()
        } else if (joining) joined()
        else listener.accepted(client)
      },
      opened: (opened) => {
        sink = opened
      },
      lost: (reason) => listener.failed(`${userId}: ${reason}`),
    },
  )
  if (room !== undefined) sink?.send(JSON.stringify({ join: room, id: 0 }))
  await ready
  return client
}
