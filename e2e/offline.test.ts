import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningServer, startServer, until } from './support/im-server.js'
import { TcpWebSocket } from './support/tcp-web-socket.js'

interface Summary {
  readonly totalUnread: number
  readonly conversations: readonly {
    readonly conversationId: string
    readonly headSeq: number
    readonly deliveredSeq: number
    readonly readSeq: number
    readonly unread: number
    readonly lastMessage: { readonly preview: string }
  }[]
}

describe('messages sent while Bob is away', () => {
  let server: RunningServer
  beforeAll(async () => {
    server = await startServer({ limits: { sendsPerSecond: 1_000, sendBurst: 1_000 } })
  })
  afterAll(() => server.stop())

  const say = async (from: string, to: string, text: string): Promise<void> => {
    const { status } = await server.rest(from, 'POST', '/api/im/messages', { toUserId: to, body: { type: 'text', text } })
    expect(status).toBe(200)
  }
  const summaryOf = async (user: string): Promise<Summary> => (await server.rest(user, 'GET', '/api/im/offline/summary')).body as Summary
  const pending = async (user: string): Promise<readonly [number, number]> => {
    const { totalUnread, conversations } = await summaryOf(user)
    return [conversations.reduce((sum, { headSeq, deliveredSeq }) => sum + headSeq - deliveredSeq, 0), totalUnread]
  }
  const pull = (user: string, conversationId: string, query: string) =>
    server.rest(user, 'GET', `/api/im/offline/${conversationId}?${query}`)

  it('are counted in the summary on connect, come in pages, and each acknowledged page lowers what is pending', async () => {
    for (let i = 1; i <= 25; i++) await say('alice', 'bob', `a${i}`)
    for (let i = 1; i <= 3; i++) await say('carol', 'bob', `c${i}`)
    const bob = await TcpWebSocket.connected(server.port, 'bob')
    await until('the summary is there', () => bob.bodies('session').length > 0)
    expect(bob.bodies('session')[0]).toMatchObject({
      event: 'summary',
      totalUnread: 28,
      conversations: [
        { conversationId: 'd~bob~carol', headSeq: 3, deliveredSeq: 0, unread: 3, lastMessage: { preview: 'c3' } },
        { conversationId: 'd~alice~bob', headSeq: 25, deliveredSeq: 0, unread: 25, lastMessage: { preview: 'a25' } },
      ],
    })
    // The summary alone: no message is pushed unasked.
    expect(bob.bodies('messages')).toEqual([])

    const got: string[] = []
    const left: (readonly [number, number])[] = []
    for (let hasMore = true; hasMore; ) {
      // Without afterSeq: a single-device client that lets the server keep its place.
      const { body } = await pull('bob', 'd~alice~bob', 'limit=10')
      got.push(...body.messages.map((message: { body: { text: string } }) => message.body.text))
      const acks = [{ conversationId: 'd~alice~bob', upToSeq: body.nextAfterSeq }]
      const acked = await server.rest('bob', 'POST', '/api/im/offline/ack', { epoch: body.epoch, acks })
      expect(acked.body.acks).toMatchObject([
        { deliveredSeq: body.nextAfterSeq, readSeq: body.nextAfterSeq, unread: 25 - body.nextAfterSeq },
      ])
      left.push(await pending('bob'))
      hasMore = body.hasMore
    }
    expect(got).toEqual(Array.from({ length: 25 }, (_, i) => `a${i + 1}`))
    expect(left).toEqual([
      [18, 18],
      [8, 8],
      [3, 3],
    ])
    // Bob's open connection hears of his own moves.
    await until('the cursor is there', () => bob.bodies('session').some(({ event, unread }) => event === 'cursor' && unread === 0))
    bob.end()
  })

  it('are not gone for a second device, which has its own afterSeq', async () => {
    const everything = await pull('bob', 'd~alice~bob', 'afterSeq=0&limit=200')
    expect(everything.body.messages).toHaveLength(25)
    expect(everything.body).toMatchObject({ nextAfterSeq: 25, hasMore: false, floorSeq: 1 })
    const rest = await pull('bob', 'd~alice~bob', 'afterSeq=20&limit=3')
    expect(rest.body.messages.map(({ seq }: { seq: number }) => seq)).toEqual([21, 22, 23])
    expect(rest.body.hasMore).toBe(true)
    // The one without a place of its own has nothing left.
    expect((await pull('bob', 'd~alice~bob', '')).body.messages).toEqual([])
  })

  it('stay unread when they are only delivered', async () => {
    await say('dave', 'erin', 'x')
    await server.rest('erin', 'POST', '/api/im/offline/ack', { acks: [{ conversationId: 'd~dave~erin', deliveredSeq: 1 }] })
    expect(await pending('erin')).toEqual([0, 1])
    await server.rest('erin', 'POST', '/api/im/offline/ack', { acks: [{ conversationId: 'd~dave~erin', readSeq: 1 }] })
    expect(await pending('erin')).toEqual([0, 0])
  })

  it('are lowered once by an acknowledgement that is repeated, or names another conversation', async () => {
    for (let i = 0; i < 5; i++) await say('frank', 'grace', `${i}`)
    await say('heidi', 'grace', 'h')
    const ack = (conversationId: string, upToSeq: number) =>
      server.rest('grace', 'POST', '/api/im/offline/ack', { acks: [{ conversationId, upToSeq }] })
    await ack('d~frank~grace', 3)
    await ack('d~frank~grace', 3)
    await ack('d~frank~grace', 1)
    expect(await pending('grace')).toEqual([3, 3])
    expect((await ack('d~frank~heidi', 5)).body).toEqual({ acks: [] })
    expect(await pending('grace')).toEqual([3, 3])
    await ack('d~grace~heidi', 99)
    expect(await pending('grace')).toEqual([2, 2])
  })

  it('are refused under an epoch that is not the server’s', async () => {
    const body = { epoch: 99, acks: [{ conversationId: 'd~frank~grace', upToSeq: 1 }] }
    const { status, body: problem } = await server.rest('grace', 'POST', '/api/im/offline/ack', body)
    expect(status).toBe(409)
    expect(problem).toMatchObject({ code: 'EPOCH_CHANGED', retry: 'after-resync' })
  })
})
