import {
  type ChatMessage,
  type ConversationSummary,
  type ErrorCode,
  ERROR_TABLE,
  ERROR_TITLES,
  QUEUES,
  type SessionEvent,
} from '@innerline/protocol'
import { FakeSocket, type ServerEnd } from './fake-socket.js'

export interface Received {
  readonly command: string
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Connection extends ServerEnd {
  readonly userId: string
  readonly received: Received[]
  readonly subscriptions: Map<string, string>
  frame(command: string, headers: Record<string, string | number>, body?: string): void
  message(queue: string, body: object): void
  event(event: { readonly event: string } & Record<string, unknown>): void
  refuse(receipt: string, code: ErrorCode, more?: object): void
}

type SendHook = (connection: Connection, frame: Received) => 'default' | 'ignore'

const unescapeHeader = (text: string) => text.replace(/\\c/g, ':').replace(/\\n/g, '\n').replace(/\\\\/g, '\\')

function parse(text: string): Received {
  const end = text.indexOf('\n\n')
  const [command = '', ...lines] = text.slice(0, end).split('\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon)] = command === 'CONNECT' ? line.slice(colon + 1) : unescapeHeader(line.slice(colon + 1))
  }
  return { command, headers, body: text.slice(end + 2, text.lastIndexOf('\0')) }
}

/** Enough of the server, in memory, to test a client against: logs, receipts, fan-out, summaries, pages. Tokens are `t-<userId>`. */
export class FakeServer {
  epoch = 1
  windowMs = 1_000
  /** What CONNECTED offers and wants. */
  heartBeat = '0,0'
  /** Attempts, in order, including refused ones. */
  readonly connections: Connection[] = []
  readonly sockets: FakeSocket[] = []
  readonly logs = new Map<string, ChatMessage[]>()
  readonly floors = new Map<string, number>()
  readonly requests: { readonly method: string; readonly path: string; readonly query: URLSearchParams; readonly body: unknown }[] = []
  readonly acks: { readonly conversationId: string; readonly deliveredSeq?: number; readonly readSeq?: number }[] = []
  /** Lets sockets through; false: attempts hang. */
  accepting = true
  authorize: (token: string) => string | { readonly code: ErrorCode; readonly close: number } = (token) => token.slice(2)
  /** Called for every SEND before the default answer. */
  onSend: SendHook = () => 'default'
  /** Called for every REST call; a Response answers it. */
  onRequest: (method: string, path: string) => Response | undefined | Promise<Response | undefined> = () => undefined
  /** Whether MESSAGE frames are pushed to connections. */
  fanOut: (connection: Connection, message: ChatMessage) => boolean = () => true
  sendSummary = true
  /** What comes of a SUBSCRIBE to the messages: attached, nothing, or a refusal. */
  attach: 'ok' | 'silent' | ErrorCode = 'ok'
  members: (conversationId: string) => readonly string[] = (id) => id.split('~').slice(1)
  private number = 0

  readonly webSocket = (url: string, protocols: string[]): FakeSocket => {
    let connection: Connection | undefined
    const socket: FakeSocket = new FakeSocket(
      url,
      protocols,
      (text) => {
        if (text === '\n') return
        const frame = parse(text)
        if (!connection) connection = this.connect(socket, frame)
        else {
          connection.received.push(frame)
          this.handle(connection, frame)
        }
      },
      () => {},
    )
    this.sockets.push(socket)
    if (this.accepting) socket.accept()
    return socket
  }

  get last(): Connection {
    const connection = this.connections.at(-1)
    if (!connection) throw new Error('nobody connected')
    return connection
  }
  get live(): Connection[] {
    return this.connections.filter(({ open, userId }) => open && userId !== '')
  }
  log(id: string): ChatMessage[] {
    const log = this.logs.get(id) ?? []
    this.logs.set(id, log)
    return log
  }
  /** Commits an entry and pushes it, as another user's send would. */
  commit(id: string, entry: Partial<ChatMessage> & { fromUserId: string }): ChatMessage {
    const log = this.log(id)
    const seq = log.length + 1
    const kind = entry.kind ?? 'message'
    const message: ChatMessage = {
      conversationId: id,
      chatType: id.startsWith('g~') ? 'group' : 'direct',
      seq,
      ord: (log.at(-1)?.ord ?? 0) + (kind === 'message' ? 1 : 0),
      msgId: `00000000-0000-4000-8000-${(++this.number).toString(16).padStart(12, '0')}`,
      timestamp: 1_700_000_000_000 + this.number,
      body: { type: 'text', text: `${id} ${seq}` },
      ...entry,
      kind,
    }
    log.push(message)
    if (kind === 'recall') {
      const at = log.findIndex(({ msgId }) => msgId === message.target)
      if (at >= 0) log[at] = { ...log[at]!, body: null, recalledAt: message.timestamp }
    }
    this.publish(message)
    return message
  }
  publish(message: ChatMessage): void {
    for (const connection of this.live) {
      if (!this.members(message.conversationId).includes(connection.userId) || !this.fanOut(connection, message)) continue
      connection.message(QUEUES.messages, message)
    }
  }
  summaryOf(userId: string, id: string): ConversationSummary {
    const log = this.log(id)
    const newest = log.at(-1)
    return {
      conversationId: id,
      chatType: id.startsWith('g~') ? 'group' : 'direct',
      headSeq: log.length,
      headOrd: newest?.ord ?? 0,
      deliveredSeq: 0,
      readSeq: 0,
      joinSeq: 1,
      floorSeq: this.floors.get(id) ?? 1,
      unread: log.filter(({ kind, fromUserId }) => kind === 'message' && fromUserId !== userId).length,
      mentionSeq: 0,
      pinned: false,
      hidden: false,
      updatedAt: newest?.timestamp ?? 0,
    }
  }
  summary(userId: string): SessionEvent & { readonly event: 'summary' } {
    const conversations = [...this.logs.keys()]
      .filter((id) => this.log(id).length > 0 && this.members(id).includes(userId))
      .map((id) => this.summaryOf(userId, id))
    return {
      event: 'summary',
      at: 0,
      epoch: this.epoch,
      conversations,
      totalUnread: conversations.reduce((sum, { unread }) => sum + unread, 0),
    }
  }

  private connect(socket: FakeSocket, frame: Received): Connection {
    const who = this.authorize((frame.headers['Authorization'] ?? '').replace('Bearer ', ''))
    const subscriptions = new Map<string, string>()
    const connection: Connection = {
      userId: typeof who === 'string' ? who : '',
      received: [frame],
      subscriptions,
      push: socket.server.push,
      close: socket.server.close,
      freeze: socket.server.freeze,
      get open() {
        return socket.server.open
      },
      frame(command, headers, body = '') {
        const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`)
        socket.server.push(`${[command, ...lines].join('\n')}\n\n${body}\0`)
      },
      message(queue, body) {
        const subscription = subscriptions.get(queue)
        if (subscription) this.frame('MESSAGE', { destination: queue, subscription, 'message-id': 'x' }, JSON.stringify(body))
      },
      event(event) {
        this.message(QUEUES.session, event)
      },
      refuse(receipt, code, more = {}) {
        const { retry } = ERROR_TABLE[code]
        const title = ERROR_TITLES[code]
        this.message(QUEUES.errors, { code, title, retry, requestId: 'r', receipt, ...more })
      },
    }
    this.connections.push(connection)
    if (typeof who === 'string') {
      connection.frame('CONNECTED', {
        version: '1.2',
        'heart-beat': this.heartBeat,
        'user-name': who,
        session: `c-${this.connections.length}`,
        epoch: this.epoch,
        'reconnect-window': this.windowMs,
      })
    } else {
      connection.frame('ERROR', { message: who.code }, JSON.stringify({ code: who.code, retry: ERROR_TABLE[who.code].retry }))
      connection.close(who.close)
    }
    return connection
  }
  private handle(connection: Connection, frame: Received): void {
    const { command, headers } = frame
    if (command === 'SUBSCRIBE') {
      const { destination = '', id = '', receipt } = headers
      connection.subscriptions.set(destination, id)
      if (destination === QUEUES.messages && this.attach !== 'ok') {
        if (this.attach !== 'silent') connection.refuse(receipt ?? '', this.attach)
        return
      }
      if (destination === QUEUES.messages && this.sendSummary) connection.event({ ...this.summary(connection.userId) })
      if (receipt) connection.frame('RECEIPT', { 'receipt-id': receipt })
    } else if (command === 'DISCONNECT') {
      connection.frame('RECEIPT', { 'receipt-id': headers['receipt'] ?? '' })
    } else if (command === 'SEND' && this.onSend(connection, frame) === 'default') this.answer(connection, frame)
  }
  /** What a healthy server does with a SEND. */
  answer(connection: Connection, { headers, body }: Received): void {
    const { destination, receipt } = headers
    const parsed = JSON.parse(body)
    switch (destination) {
      case '/app/chat.sendMessage': {
        const target = parsed.toUserId ? `d~${[connection.userId, parsed.toUserId].sort().join('~')}` : `g~${parsed.groupId}`
        const known = this.log(target).find(({ msgId }) => msgId === parsed.msgId)
        const message = known ?? this.commit(target, { fromUserId: connection.userId, msgId: parsed.msgId, body: parsed.body })
        if (receipt) this.receipt(connection, message, known !== undefined)
        return
      }
      case '/app/chat.ack':
        this.acks.push(...parsed.acks)
        if (receipt) connection.frame('RECEIPT', { 'receipt-id': receipt })
        return
      case '/app/chat.heartbeat': {
        const heads = Object.fromEntries(
          Object.entries(parsed.heads as Record<string, number>)
            .map(([id, seq]) => [id, this.log(id).length, seq] as const)
            .filter(([, head, seq]) => head > seq),
        )
        connection.message(QUEUES.heartbeat, { serverTime: 0, epoch: this.epoch, heads })
        return
      }
      case '/app/auth.refresh':
        if (receipt) connection.frame('RECEIPT', { 'receipt-id': receipt })
    }
  }
  receipt(connection: Connection, { msgId, conversationId, seq, ord, timestamp }: ChatMessage, duplicate = false): void {
    connection.frame('RECEIPT', {
      'receipt-id': msgId,
      'msg-id': msgId,
      'conversation-id': conversationId,
      seq,
      ord,
      timestamp,
      duplicate: String(duplicate),
    })
  }

  readonly fetch = (async (input: string, init: RequestInit = {}) => {
    const { pathname: path, searchParams: query } = new URL(input)
    const method = init.method ?? 'GET'
    this.requests.push({ method, path, query, body: init.body ? JSON.parse(String(init.body)) : undefined })
    const told = await this.onRequest(method, path)
    if (told) return told
    const token = new Headers(init.headers).get('authorization')?.slice(9) ?? ''
    const problem = (status: number, code: ErrorCode) => Response.json({ code, retry: ERROR_TABLE[code].retry, status }, { status })
    const [, , , resource, id = '', session] = path.split('/').map(decodeURIComponent)
    if (path === '/api/im/offline/summary') return Response.json(this.summary(token))
    const log = this.logs.get(session ?? id)
    if (!log?.length) return problem(404, 'NOT_FOUND')
    const floorSeq = this.floors.get(session ?? id) ?? 1
    const limit = Number(query.get('limit') ?? 50)
    if (resource === 'offline') {
      const after = Math.max(Number(query.get('afterSeq')), floorSeq - 1)
      const messages = log.slice(after, after + limit)
      const hasMore = after + limit < log.length
      return Response.json({ messages, hasMore, nextAfterSeq: after + messages.length, floorSeq, epoch: this.epoch })
    }
    const before = Number(query.get('beforeSeq') ?? log.length + 1)
    const from = Math.max(floorSeq, before - limit)
    return Response.json({ messages: log.slice(from - 1, before - 1), hasMore: from > floorSeq, floorSeq, epoch: this.epoch })
  }) as typeof fetch
}
