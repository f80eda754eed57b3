import { Client, type IFrame, type IMessage } from '@stomp/stompjs'
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type RunningServer, startServer, until } from './support/im-server.js'

/** What PROTOCOL.md asks of a client without a store of its own, in some forty lines around a bare stompjs client with its own reconnect. */
class PlainClient {
  readonly stomp: Client
  /** Texts in the order they were shown, per conversation. */
  readonly shown: string[] = []
  readonly refusals: { readonly code: string; readonly receipt?: string }[] = []
  readonly errors: IFrame[] = []
  readonly closes: number[] = []
  connections = 0
  #attached = 0
  #socket: WebSocket | undefined
  #position = 0
  /** Frames that came while the backlog is being pulled. */
  #held: IMessage[] | undefined
  readonly #receipts = new Map<string, Readonly<Record<string, string>>>()
  readonly #unsettled = new Map<string, string>()
  readonly #server: RunningServer
  readonly #user: string
  readonly #conversationId: string

  constructor(server: RunningServer, user: string, conversationId: string, listensToErrors = true) {
    this.#server = server
    this.#user = user
    this.#conversationId = conversationId
    this.stomp = new Client({
      webSocketFactory: () => {
        this.#socket = new WebSocket(server.ws(), 'v12.stomp')
        return this.#socket as unknown as globalThis.WebSocket
      },
      connectHeaders: { Authorization: `Bearer ${user}` },
      reconnectDelay: 50,
      heartbeatIncoming: 10_000,
      heartbeatOutgoing: 10_000,
      onConnect: () => this.#onConnect(listensToErrors),
      onStompError: (frame) => void this.errors.push(frame),
      onWebSocketClose: (event: { readonly code: number }) => void this.closes.push(event.code),
    })
    this.stomp.activate()
  }

  get isAttached(): boolean {
    return this.#attached === this.connections && this.connections > 0
  }

  /** Sends until a receipt says that it is committed. */
  send(toUserId: string, text: string): string {
    const msgId = randomUUID()
    this.#unsettled.set(msgId, JSON.stringify({ msgId, toUserId, body: { type: 'text', text } }))
    if (this.stomp.connected) this.#publish(msgId)
    return msgId
  }

  get unsettled(): number {
    return this.#unsettled.size
  }

  receiptOf(msgId: string): Readonly<Record<string, string>> | undefined {
    return this.#receipts.get(msgId)
  }

  /** Kills the socket without a word. */
  kill(): void {
    this.#socket?.terminate()
  }

  raw(destination: string, body: string, receipt: string): void {
    this.stomp.publish({ destination, body, headers: { receipt } })
  }

  #onConnect(listensToErrors: boolean): void {
    const connection = ++this.connections
    this.#held = []
    if (listensToErrors) {
      this.stomp.subscribe('/user/queue/errors', ({ body }) => void this.refusals.push(JSON.parse(body) as { code: string }), {
        id: 'errors',
      })
    }
    this.stomp.subscribe('/user/queue/session', ({ body }) => this.#onSession(body), { id: 'session' })
    this.stomp.watchForReceipt(`attached-${connection}`, () => {
      this.#attached = connection
    })
    this.stomp.subscribe('/user/queue/messages', (message) => this.#onMessage(message), {
      id: 'messages',
      ack: 'client',
      receipt: `attached-${connection}`,
    })
    for (const msgId of this.#unsettled.keys()) this.#publish(msgId)
  }

  #publish(msgId: string): void {
    const receipt = randomUUID()
    this.stomp.watchForReceipt(receipt, ({ headers }) => {
      this.#receipts.set(msgId, headers)
      this.#unsettled.delete(msgId)
    })
    this.stomp.publish({ destination: '/app/chat.sendMessage', headers: { receipt }, body: this.#unsettled.get(msgId) as string })
  }

  #onSession(body: string): void {
    const event = JSON.parse(body) as { event: string; conversations?: readonly { conversationId: string; deliveredSeq: number }[] }
    if (event.event !== 'summary') return
    const own = event.conversations?.find(({ conversationId }) => conversationId === this.#conversationId)
    // A page without a store begins at what the server says was delivered; a running one knows better.
    void this.#pull(Math.max(this.#position, own?.deliveredSeq ?? 0))
  }

  async #pull(from: number): Promise<void> {
    const connection = this.connections
    let afterSeq = from
    for (;;) {
      const path = `/api/im/offline/${encodeURIComponent(this.#conversationId)}?afterSeq=${afterSeq}&limit=3`
      const { status, body } = await this.#server.rest(this.#user, 'GET', path)
      if (status === 404) break
      for (const message of body.messages) this.#show(message.seq, message.body.text)
      afterSeq = body.nextAfterSeq
      if (!body.hasMore) break
    }
    this.#position = Math.max(this.#position, afterSeq)
    // Another connection has come meanwhile, and with it another summary.
    if (connection !== this.connections || !this.stomp.connected) return
    if (this.#position > 0) {
      const acks = [{ conversationId: this.#conversationId, deliveredSeq: this.#position }]
      this.stomp.publish({ destination: '/app/chat.ack', body: JSON.stringify({ acks }) })
    }
    const held = this.#held ?? []
    this.#held = undefined
    for (const message of held) this.#onMessage(message)
  }

  #onMessage(message: IMessage): void {
    if (this.#held !== undefined) {
      this.#held.push(message)
      return
    }
    const { seq, body } = JSON.parse(message.body) as { seq: number; body: { text: string } }
    if (seq <= this.#position) return
    // A hole would be pulled; the server promises a client that did not declare im-lag that there is none.
    if (seq > this.#position + 1) throw new Error(`a hole before ${seq}, having ${this.#position}`)
    this.#show(seq, body.text)
    if (this.stomp.connected) this.stomp.ack(message.headers.ack as string, 'messages')
  }

  #show(seq: number, text: string): void {
    if (seq <= this.#position) return
    this.#position = seq
    this.shown.push(text)
  }
}

describe('a bare stompjs client', () => {
  let server: RunningServer
  let clients: PlainClient[]
  beforeEach(async () => {
    server = await startServer({ limits: { sendsPerSecond: 1_000, sendBurst: 1_000, framesPerSecond: 1_000, frameBurst: 1_000 } })
    clients = []
  })
  afterEach(async () => {
    for (const { stomp } of clients) await stomp.deactivate({ force: true })
    await server.stop()
  })
  const plain = (user: string, conversationId: string, listensToErrors = true): PlainClient => {
    const client = new PlainClient(server, user, conversationId, listensToErrors)
    clients.push(client)
    return client
  }

  it('connects, subscribes, sends with a receipt, receives, acknowledges by ACK frame', async () => {
    const [alice, bob] = [plain('alice', 'd~alice~bob'), plain('bob', 'd~alice~bob')]
    await until('both are attached', () => alice.isAttached && bob.isAttached)
    const msgId = alice.send('bob', 'hello')
    await until('the message is there', () => bob.shown.length === 1 && alice.shown.length === 1)
    await until('it is settled', () => alice.unsettled === 0)
    expect(alice.receiptOf(msgId)).toMatchObject({
      'msg-id': msgId,
      'conversation-id': 'd~alice~bob',
      seq: '1',
      ord: '1',
      duplicate: 'false',
      timestamp: expect.stringMatching(/^\d+$/),
    })
    expect([alice.shown, bob.shown]).toEqual([['hello'], ['hello']])
    await until('the ACK has been written', async () => {
      const { body } = await server.rest('bob', 'GET', '/api/im/offline/summary')
      return body.conversations[0].deliveredSeq === 1
    })
    // Delivered is not read.
    const { body } = await server.rest('bob', 'GET', '/api/im/offline/summary')
    expect(body).toMatchObject({ totalUnread: 1, conversations: [{ readSeq: 0, unread: 1 }] })
  })

  it('is refused clearly, and lives on', async () => {
    const alice = plain('alice', 'd~alice~bob')
    await until('it is attached', () => alice.isAttached)
    alice.raw('/app/nowhere', '{}', 'r1')
    alice.raw('/app/chat.sendMessage', '{"toUserId":"bob"}', 'r2')
    await until('both refusals are there', () => alice.refusals.length === 2)
    expect(alice.refusals).toMatchObject([
      { code: 'NOT_FOUND', receipt: 'r1' },
      { code: 'INVALID_REQUEST', receipt: 'r2' },
    ])
    expect(alice.connections).toBe(1)
  })

  it('that does not listen to errors sees an ERROR with its receipt id', async () => {
    const alice = plain('alice', 'd~alice~bob', false)
    await until('it is attached', () => alice.isAttached)
    alice.raw('/app/nowhere', '{}', 'r1')
    await until('the ERROR is there', () => alice.errors.length === 1)
    expect(alice.errors[0]?.headers).toMatchObject({ message: 'NOT_FOUND', 'receipt-id': 'r1' })
    expect(JSON.parse(alice.errors[0]?.body ?? '')).toMatchObject({ code: 'NOT_FOUND', retry: 'never' })
    await until('the socket is closed', () => alice.closes.length === 1)
    expect(alice.closes).toEqual([4500])
  })

  it('with a wrong token sees why', async () => {
    const alice = plain('wrong', 'd~alice~bob')
    await until('the ERROR is there', () => alice.errors.length > 0)
    expect(alice.errors[0]?.headers.message).toBe('UNAUTHORIZED')
    await until('the socket is closed', () => alice.closes.length > 0)
    expect(alice.closes[0]).toBe(4501)
  })

  it('loses and doubles nothing, although its socket is killed again and again', async () => {
    const [alice, bob] = [plain('alice', 'd~alice~bob'), plain('bob', 'd~alice~bob')]
    await until('both are attached', () => alice.isAttached && bob.isAttached)
    const texts = Array.from({ length: 120 }, (_, i) => `m${i}`)
    for (const [i, text] of texts.entries()) {
      alice.send('bob', text)
      if (i % 20 === 7) bob.kill()
      // Killed with sends on their way: what was not settled is sent again with the same msgId.
      if (i % 30 === 13) alice.kill()
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 40))
    }
    await until('everything is settled', () => alice.unsettled === 0)
    await until('everything is there', () => bob.shown.length >= texts.length && alice.shown.length >= texts.length)
    expect(bob.connections).toBeGreaterThan(3)
    expect(alice.connections).toBeGreaterThan(2)
    // Every text once; the order is the log's, the same for both.
    expect([...bob.shown].sort()).toEqual([...texts].sort())
    expect(alice.shown).toEqual(bob.shown)
    const { body } = await server.rest('bob', 'GET', '/api/chat/messages/session/d~alice~bob?limit=200')
    expect(body.messages.map((message: { body: { text: string } }) => message.body.text)).toEqual(bob.shown)
  })

  it('takes the unread part of a conversation from deliveredSeq when it comes back without a store', async () => {
    const alice = plain('alice', 'd~alice~bob')
    const first = plain('bob', 'd~alice~bob')
    await until('both are attached', () => alice.isAttached && first.isAttached)
    for (const text of ['1', '2', '3']) alice.send('bob', text)
    await until('bob has them', () => first.shown.length === 3)
    await until('they are acknowledged', async () => {
      const { body } = await server.rest('bob', 'GET', '/api/im/offline/summary')
      return body.conversations[0].deliveredSeq === 3
    })
    await first.stomp.deactivate()
    for (let i = 4; i <= 11; i++) alice.send('bob', `${i}`)
    await until('they are sent', () => alice.unsettled === 0)
    const second = plain('bob', 'd~alice~bob')
    await until('bob has the rest', () => second.shown.length === 8)
    alice.send('bob', '12')
    await until('and what is live', () => second.shown.length === 9)
    expect(second.shown).toEqual(['4', '5', '6', '7', '8', '9', '10', '11', '12'])
  })

  it.each(['STOMP then REST', 'REST then STOMP'])(
    'gets the first answer to a retry although it is over its limit by then: %s',
    async (order) => {
      await server.stop()
      server = await startServer({ limits: { sendsPerSecond: 0.001, sendBurst: 2 } })
      const alice = plain('alice', 'd~alice~bob')
      await until('it is attached', () => alice.isAttached)
      const body = (msgId: string, text: string) => ({ msgId, toUserId: 'bob', body: { type: 'text', text } })
      const rest = (msgId: string, text: string) => server.rest('alice', 'POST', '/api/im/messages', body(msgId, text))
      let msgId: string = randomUUID()
      if (order === 'STOMP then REST') {
        msgId = alice.send('bob', 'once')
        await until('it is settled', () => alice.unsettled === 0)
        const first = alice.receiptOf(msgId)
        await rest(randomUUID(), 'the limit')
        expect((await rest(randomUUID(), 'over it')).body).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) })
        expect((await rest(msgId, 'once')).body).toEqual({
          msgId,
          conversationId: 'd~alice~bob',
          seq: Number(first?.seq),
          ord: Number(first?.ord),
          timestamp: Number(first?.timestamp),
          duplicate: true,
        })
      } else {
        const first = await rest(msgId, 'once')
        await rest(randomUUID(), 'the limit')
        alice.send('bob', 'over it')
        await until('it is refused', () => alice.refusals.length === 1)
        expect(alice.refusals[0]).toMatchObject({ code: 'RATE_LIMITED', retry: 'later' })
        const receipt = new Promise<IFrame>((resolve) => alice.stomp.watchForReceipt('again', resolve))
        alice.raw('/app/chat.sendMessage', JSON.stringify(body(msgId, 'once')), 'again')
        expect((await receipt).headers).toMatchObject({ duplicate: 'true', seq: '1', timestamp: String(first.body.timestamp) })
      }
    },
  )

  it('leaves with DISCONNECT and its receipt, 1000', async () => {
    const alice = plain('alice', 'd~alice~bob')
    await until('it is attached', () => alice.isAttached)
    await alice.stomp.deactivate()
    expect(alice.closes).toEqual([1000])
    await until('it is gone', () => server.im.stats().connections === 0)
  })
})
