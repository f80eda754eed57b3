import { randomBytes } from 'node:crypto'
import { type BenchClient, type ConnectClient, textOf } from './client.js'
import { WebSocketSink } from './web-socket.js'

const MESSAGE = 0x4d
const RECEIPT = 0x52
const OWN_HEADER = Buffer.from('subscription:m\n')
const ID_HEADER = 'message-id:'
const HEAD_BYTES = 400

const run = randomBytes(8).toString('hex')
let sent = 0
/** A fresh UUIDv7 in form: what the server checks and stores is the same, and the generator saves a random number per message. */
const nextMsgId = (): string => {
  const tail = (sent++).toString(16).padStart(12, '0')
  return `0199${run.slice(0, 4)}-${run.slice(4, 8)}-7${run.slice(8, 11)}-8${run.slice(11, 14)}-${tail}`
}

const frame = (command: string, headers: Readonly<Record<string, string>>, body = ''): string => {
  let head = `${command}\n`
  for (const name in headers) head += `${name}:${headers[name]}\n`
  return `${head}\n${body}\0`
}

const sendFrame = (destination: string, receipt: string, body: string): string =>
  `SEND\ndestination:${destination}\n${receipt}content-type:application/json\ncontent-length:${Buffer.byteLength(body)}\n\n${body}\0`

/** Innerline's wire by hand: the frames its SDK sends, subscribed to what its SDK subscribes to. */
export const connectStomp: ConnectClient = async ({ port, userId, listener }) => {
  let sink: WebSocketSink | undefined
  let headerAt = -1
  let attached = (): void => {}
  let refused: ((error: Error) => void) | undefined
  const ready = new Promise<void>((resolve, reject) => {
    attached = resolve
    refused = reject
  })
  const client: BenchClient = {
    userId,
    send: (target, n) => {
      const to = 'user' in target ? `"toUserId":"${target.user}"` : `"conversationId":"${target.room}"`
      const body = `{"msgId":"${nextMsgId()}",${to},"body":{"type":"text","text":"${textOf(n)}"}}`
      sink?.send(sendFrame('/app/chat.sendMessage', `receipt:${n}\n`, body))
    },
    acknowledge: (bytes, start, end) => {
      const head = bytes.toString('latin1', start, Math.min(end, start + HEAD_BYTES))
      const at = head.indexOf(ID_HEADER) + ID_HEADER.length
      // `<conversationId>:<seq>`; STOMP escapes a colon in a header's value as \\c. The users here have none in their ids.
      const [conversationId, seq] = head.slice(at, head.indexOf('\n', at)).split(/[:]|\\c/) as [string, string]
      const body = `{"acks":[{"conversationId":"${conversationId}","deliveredSeq":${seq},"readSeq":${seq}}]}`
      sink?.send(sendFrame('/app/chat.ack', '', body))
    },
    close: () => sink?.close(),
  }
  /** Whether a MESSAGE is one of the messages queue: heads are alike, so the header is looked for where it was last. */
  const isOwn = (bytes: Buffer, start: number, end: number): boolean => {
    const last = start + headerAt
    if (
      headerAt >= 0 &&
      last + OWN_HEADER.length < end &&
      bytes.compare(OWN_HEADER, 0, OWN_HEADER.length, last, last + OWN_HEADER.length) === 0
    )
      return true
    const found = bytes.toString('latin1', start, Math.min(end, start + HEAD_BYTES)).indexOf('subscription:m\n')
    if (found >= 0) headerAt = found
    return found >= 0
  }
  const fail = (reason: string): void => {
    refused?.(new Error(reason))
    listener.failed(reason)
  }
  await WebSocketSink.open(
    { port, path: '/ws/chat', protocol: 'v12.stomp' },
    {
      message(bytes, start, end) {
        const first = bytes[start]
        if (first === MESSAGE) {
          if (isOwn(bytes, start, end)) listener.delivered(client, bytes, start, end)
          else if (bytes.toString('latin1', start, Math.min(end, start + HEAD_BYTES)).includes('subscription:e\n')) {
            fail(`${userId}: ${bytes.toString('utf8', start, end)}`)
          }
        } else if (first === RECEIPT) {
          if (refused === undefined) listener.accepted(client)
          else {
            refused = undefined
            attached()
          }
        } else if (bytes.toString('latin1', start, start + 5) === 'ERROR') fail(`${userId}: ${bytes.toString('utf8', start, end)}`)
      },
      opened: (opened) => {
        sink = opened
      },
      lost: (reason) => fail(`${userId}: ${reason}`),
    },
  )
  sink?.send(frame('CONNECT', { 'accept-version': '1.2', host: 'bench', 'heart-beat': '0,0', Authorization: `Bearer ${userId}` }))
  sink?.send(frame('SUBSCRIBE', { id: 'e', destination: '/user/queue/errors' }))
  sink?.send(frame('SUBSCRIBE', { id: 's', destination: '/user/queue/session' }))
  sink?.send(frame('SUBSCRIBE', { id: 'm', destination: '/user/queue/messages', receipt: 'attached' }))
  await ready
  return client
}
