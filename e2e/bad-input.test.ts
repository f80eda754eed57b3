import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frame } from './stomp-conformance/raw-client.js'
import { HealthyPair } from './support/healthy-pair.js'
import { type RunningServer, startServer, until } from './support/im-server.js'
import { OPCODE, TcpWebSocket } from './support/tcp-web-socket.js'

const KIB = 1024
/** Two cores are shared with whatever else runs; what is meant is that nobody waits for somebody else's fault. */
const NOTICEABLE_MS = 2_000

const send = (body: string, ...headers: [string, string][]): string =>
  frame('SEND', [['destination', '/app/chat.sendMessage'], ['receipt', 'r'], ...headers], body)
const text = (payload: string) => ({ opcode: OPCODE.text, payload })
const message = (value: unknown): string => send(JSON.stringify(value))
const hi = { type: 'text', text: 'hi' }

describe('bad input over real sockets', () => {
  let server: RunningServer
  let pair: HealthyPair
  let victim: TcpWebSocket
  beforeAll(async () => {
    server = await startServer()
    pair = await HealthyPair.start(server.port, 'alice', 'bob')
    victim = await TcpWebSocket.connected(server.port, 'victim')
  })
  afterAll(async () => {
    expect(await pair.stop()).toBe('')
    expect(pair.slowest).toBeLessThan(NOTICEABLE_MS)
    expect(victim.hasEnded).toBe(false)
    expect(victim.bodies('messages')).toEqual([])
    victim.end()
    await until('every connection is gone', () => server.im.stats().connections === 0)
    expect(server.im.stats()).toMatchObject({ connections: 0, users: 0, conversations: 0, laneDepth: 0 })
    await server.stop()
  })

  describe('ends the connection when it cannot be read', () => {
    it.each<[string, (socket: TcpWebSocket) => void, string, number]>([
      ['an unknown command', (socket) => socket.send(text('HELLO\n\n\0')), 'INVALID_REQUEST', 4500],
      ['a header without a colon', (socket) => socket.send(text('SEND\nnonsense\n\n\0')), 'INVALID_REQUEST', 4500],
      ['an undefined escape', (socket) => socket.send(text('SEND\na:\\t\n\n\0')), 'INVALID_REQUEST', 4500],
      ['a content-length that is none', (socket) => socket.send(text('SEND\ncontent-length:-5\n\nhello\0')), 'INVALID_REQUEST', 4500],
      ['a content-length that is too short', (socket) => socket.send(text('SEND\ncontent-length:2\n\nhello\0')), 'INVALID_REQUEST', 4500],
      ['a content-length beyond the limit', (socket) => socket.send(text('SEND\ncontent-length:9999999\n\nhello\0')), 'TOO_LARGE', 4500],
      ['a frame beyond the limit', (socket) => socket.send(text(send('x'.repeat(65 * KIB)))), 'TOO_LARGE', 4500],
      ['a header line beyond the limit', (socket) => socket.send(text(send('{}', ['x', 'y'.repeat(3 * KIB)]))), 'TOO_LARGE', 4500],
      [
        'too many headers',
        (socket) => socket.send(text(send('{}', ...Array.from({ length: 40 }, (_, i): [string, string] => [`h${i}`, 'v'])))),
        'TOO_LARGE',
        4500,
      ],
      ['a second CONNECT', (socket) => socket.stomp('CONNECT', [['accept-version', '1.2']]), 'INVALID_REQUEST', 4500],
      ['a transaction', (socket) => socket.stomp('BEGIN', [['transaction', 't']]), 'UNSUPPORTED', 4500],
      ['a WebSocket message beyond any limit', (socket) => socket.send(text('x'.repeat(200 * KIB))), 'TOO_LARGE', 4500],
      ['a length beyond all memory', (socket) => socket.send({ opcode: OPCODE.text, payload: 'x', length: 2 ** 52 }), 'TOO_LARGE', 4500],
      ['an unmasked frame', (socket) => socket.send({ ...text('x'), masked: false }), 'INVALID_REQUEST', 4500],
      ['an invalid opcode', (socket) => socket.send({ opcode: 3, payload: 'x' }), 'INVALID_REQUEST', 4500],
      ['reserved bits', (socket) => socket.send({ ...text('x'), reserved: 4 }), 'INVALID_REQUEST', 4500],
      ['a continuation of nothing', (socket) => socket.send({ opcode: OPCODE.continuation, payload: 'x' }), 'INVALID_REQUEST', 4500],
      ['a fragmented ping', (socket) => socket.send({ opcode: OPCODE.ping, payload: 'x', fin: false }), 'INVALID_REQUEST', 4500],
      ['a ping that is too long', (socket) => socket.send({ opcode: OPCODE.ping, payload: 'x'.repeat(200) }), 'INVALID_REQUEST', 4500],
      [
        'a message in too many fragments',
        (socket) => {
          socket.send({ ...text('S'), fin: false })
          for (let i = 0; i < 70; i++) socket.send({ opcode: OPCODE.continuation, payload: 'x', fin: false })
        },
        'INVALID_REQUEST',
        4500,
      ],
      [
        'flooding',
        (socket) => {
          for (let i = 0; i < 300; i++) socket.send(text('\n'))
        },
        'RATE_LIMITED',
        4003,
      ],
      ['flooding within one message', (socket) => socket.send(text(frame('NACK', [['id', 'x']]).repeat(300))), 'RATE_LIMITED', 4003],
    ])('%s', async (_name, provoke, code, close) => {
      const socket = await TcpWebSocket.connected(server.port, 'mallory')
      provoke(socket)
      await until('the connection ends', () => socket.hasEnded)
      expect(socket.error?.headers.get('message')).toBe(code)
      expect(JSON.parse(socket.error?.body ?? '{}')).toMatchObject({ code, requestId: expect.any(String) })
      expect(socket.closeCode).toBe(close)
    })

    it.each<[string, string, string, number]>([
      ['no token', frame('CONNECT', [['accept-version', '1.2']]), 'UNAUTHORIZED', 4501],
      [
        'a wrong token',
        frame('CONNECT', [
          ['accept-version', '1.2'],
          ['passcode', 'wrong'],
        ]),
        'UNAUTHORIZED',
        4501,
      ],
      [
        'a check that fails',
        frame('CONNECT', [
          ['accept-version', '1.2'],
          ['passcode', 'broken'],
        ]),
        'UNAVAILABLE',
        4004,
      ],
      [
        'another version',
        frame('CONNECT', [
          ['accept-version', '1.1'],
          ['passcode', 'mallory'],
        ]),
        'UNSUPPORTED',
        4512,
      ],
      ['a SEND instead', send('{}'), 'UNAUTHORIZED', 4500],
      ['HTTP instead', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'INVALID_REQUEST', 4500],
      ['a flood of line ends', '\n'.repeat(17 * KIB), 'TOO_LARGE', 4500],
    ])('a CONNECT with %s', async (_name, bytes, code, close) => {
      const socket = await TcpWebSocket.open(server.port)
      socket.send(text(bytes))
      await until('the connection ends', () => socket.hasEnded)
      expect(JSON.parse(socket.error?.body ?? '{}')).toMatchObject({ code })
      expect(socket.closeCode).toBe(close)
    })
  })

  describe('is refused in a message and nothing else', () => {
    it.each<[string, string, string]>([
      [
        'an unknown destination',
        frame('SEND', [
          ['destination', '/app/nowhere'],
          ['receipt', 'r'],
        ]),
        'NOT_FOUND',
      ],
      [
        "a SEND straight to somebody's queue",
        frame(
          'SEND',
          [
            ['destination', '/user/victim/queue/messages'],
            ['receipt', 'r'],
          ],
          JSON.stringify({ fromUserId: 'alice', body: hi }),
        ),
        'FORBIDDEN',
      ],
      [
        'a SEND to a topic',
        frame(
          'SEND',
          [
            ['destination', '/topic/session/1'],
            ['receipt', 'r'],
          ],
          '{}',
        ),
        'FORBIDDEN',
      ],
      [
        "another user's queue",
        frame('SUBSCRIBE', [
          ['id', '9'],
          ['destination', '/user/victim/queue/messages'],
          ['receipt', 'r'],
        ]),
        'FORBIDDEN',
      ],
      [
        'a resolved queue of Spring',
        frame('SUBSCRIBE', [
          ['id', '9'],
          ['destination', '/queue/messages-user1'],
          ['receipt', 'r'],
        ]),
        'FORBIDDEN',
      ],
      ['invalid JSON', send('{"toUserId":'), 'INVALID_REQUEST'],
      ['a wrong type', message({ toUserId: 5, body: hi }), 'INVALID_REQUEST'],
      ['a wrong body', message({ toUserId: 'victim', body: 'hi' }), 'INVALID_REQUEST'],
      ['two targets', message({ toUserId: 'victim', groupId: 'g', body: hi }), 'INVALID_REQUEST'],
      ['a foreign conversation', message({ conversationId: 'd~alice~victim', body: hi }), 'NOT_MEMBER'],
      ['a group that is none', message({ groupId: 'none', body: hi }), 'NOT_FOUND'],
      ['too large a body', message({ toUserId: 'victim', body: { type: 'text', text: 'x'.repeat(49 * KIB) } }), 'TOO_LARGE'],
      [
        'an ACK of nothing',
        frame('ACK', [
          ['id', 'nothing'],
          ['receipt', 'r'],
        ]),
        'INVALID_REQUEST',
      ],
      ['a transaction header', send('{}', ['transaction', 't']), 'UNSUPPORTED'],
    ])('%s', async (_name, bytes, code) => {
      const socket = await TcpWebSocket.connected(server.port, 'mallory')
      socket.send(text(bytes))
      await until('the refusal has come', () => socket.bodies('errors').length > 0)
      expect(socket.bodies('errors')).toMatchObject([{ code, receipt: 'r' }])
      // It lives on.
      socket.stomp('NACK', [
        ['id', 'x'],
        ['receipt', 'after'],
      ])
      await until('the connection is answered', () => socket.receipt('after') !== undefined)
      socket.end()
    })

    it('a forged sender: it has no effect', async () => {
      const receiver = await TcpWebSocket.connected(server.port, 'carol')
      const socket = await TcpWebSocket.connected(server.port, 'mallory')
      socket.send(text(message({ toUserId: 'carol', fromUserId: 'alice', body: hi })))
      await until('the message is there', () => receiver.bodies('messages').length > 0)
      expect(receiver.bodies('messages')).toMatchObject([{ fromUserId: 'mallory', conversationId: 'd~carol~mallory' }])
      receiver.end()
      socket.end()
    })
  })

  it('a CONNECT that never comes ends the socket with 4001', async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => TcpWebSocket.open(server.port)))
    // Line ends are no CONNECT.
    sockets[0]?.send(text('\n'))
    const began = performance.now()
    await until('all have ended', () => sockets.every(({ hasEnded }) => hasEnded), 15_000)
    expect(performance.now() - began).toBeGreaterThan(8_500)
    expect(sockets.map(({ closeCode }) => closeCode)).toEqual(sockets.map(() => 4001))
  })

  it('a peer that pings without reading costs bounded memory and goes', async () => {
    const before = server.im.stats().connections
    const socket = await TcpWebSocket.connected(server.port, 'mallory')
    socket.pause()
    const payload = Buffer.alloc(125)
    for (let sent = 0; sent < 400_000 && !socket.hasEnded; sent += 1_000) {
      for (let i = 0; i < 1_000; i++) socket.send({ opcode: OPCODE.ping, payload })
      await new Promise((resolve) => setImmediate(resolve))
      if (server.im.stats().connections === before) break
      expect(server.im.stats().bufferedBytes).toBeLessThan(512 * KIB)
      if (socket.unsentBytes > 64 * KIB * KIB) break
    }
    socket.end()
    // At the latest: 10 s without progress, and 6 s for a close that is never answered, each found at the next visit.
    await until('it is gone', () => server.im.stats().connections === before, 20_000)
  })

  it('half a frame and then nothing harms nobody', async () => {
    const before = server.im.stats().connections
    const sockets = await Promise.all(Array.from({ length: 50 }, () => TcpWebSocket.open(server.port)))
    for (const socket of sockets) {
      socket.send({ opcode: OPCODE.text, payload: 'CONNECT\naccept-', length: 60 * KIB })
      socket.end()
    }
    await until('they are gone', () => server.im.stats().connections === before)
  })

  it('random bytes: 2 000 payloads over 250 sockets, and nothing is left of them', async () => {
    const before = server.im.stats().connections
    const random = seeded('bad input')
    const opened: TcpWebSocket[] = []
    for (let round = 0; round < 25; round++) {
      const sockets = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          // Some users have a connection each, so that none meets the limit of connections.
          i % 2 === 0 ? TcpWebSocket.open(server.port) : TcpWebSocket.connected(server.port, `fuzz-${round}-${i}`),
        ),
      )
      opened.push(...sockets)
      for (let i = 0; i < 80; i++) {
        const socket = sockets[random(sockets.length)] as TcpWebSocket
        const bytes = Buffer.from(Array.from({ length: random(300) }, () => random(256)))
        const kind = random(4)
        if (kind === 0) socket.raw(bytes)
        else if (kind === 1)
          socket.send({ opcode: random(16), payload: bytes, fin: random(4) > 0, reserved: random(8) === 0 ? random(8) : 0 })
        else socket.send({ opcode: kind, payload: Buffer.concat([Buffer.from(scraps[random(scraps.length)] as string), bytes]) })
        if (random(5) === 0) socket.end()
      }
    }
    for (const socket of opened) socket.end()
    await until('they are gone', () => server.im.stats().connections === before)
  })
})

const scraps = [
  '',
  '\n',
  'CONNECT\n',
  'CONNECT\naccept-version:1.2\npasscode:fuzz\n\n\0',
  'SEND\ndestination:/app/chat.sendMessage\n\n',
  'SEND\ndestination:/app/chat.ack\n\n{"acks":[',
  'SEND\ncontent-length:5\n\n',
  'SUBSCRIBE\nid:1\ndestination:/user/queue/messages\n\n\0',
  'ACK\nid:d~fuzz~x\\c1\n\n\0',
  'DISCONNECT\nreceipt:1\n\n\0',
]

/** Deterministic: n → an integer below n. */
function seeded(seed: string): (below: number) => number {
  let counter = 0
  let block = Buffer.alloc(0)
  return (below) => {
    if (block.length < 4) block = createHash('sha256').update(`${seed} ${counter++}`).digest()
    const value = block.readUInt32BE(0)
    block = block.subarray(4)
    return value % below
  }
}

describe('too many', () => {
  const statusOf = (opening: Promise<TcpWebSocket>): Promise<string> =>
    opening.then(
      (socket) => {
        opened.push(socket)
        return '101'
      },
      (error: Error) => error.message,
    )
  let opened: TcpWebSocket[] = []
  const finish = async (server: RunningServer): Promise<void> => {
    for (const socket of opened) socket.end()
    opened = []
    await until('they are gone', () => server.im.stats().connections === 0)
    await server.stop()
  }

  it('upgrades a second are refused 503, and soon welcome again', async () => {
    const server = await startServer({ limits: { upgradesPerSecond: 5 } })
    const statuses = await Promise.all(Array.from({ length: 12 }, () => statusOf(TcpWebSocket.open(server.port))))
    expect(statuses.filter((status) => status === '101').length).toBeLessThan(9)
    expect(statuses).toContain('HTTP/1.1 503 Service Unavailable')
    await until('there is room', async () => (await statusOf(TcpWebSocket.open(server.port))) === '101')
    await finish(server)
  })

  it('sockets that say nothing are refused 503; those that have spoken do not count', async () => {
    const server = await startServer({ limits: { unauthenticatedSockets: 3 } })
    const pair = await HealthyPair.start(server.port, 'alice', 'bob')
    const statuses: string[] = []
    for (let i = 0; i < 5; i++) statuses.push(await statusOf(TcpWebSocket.open(server.port)))
    expect(statuses).toEqual(['101', '101', '101', 'HTTP/1.1 503 Service Unavailable', 'HTTP/1.1 503 Service Unavailable'])
    expect(await pair.stop()).toBe('')
    await finish(server)
  })

  it('connections of one user are refused with BUSY, 4004, and others’ are not', async () => {
    const server = await startServer({ limits: { connectionsPerUser: 2 } })
    for (let i = 0; i < 2; i++) opened.push(await TcpWebSocket.connected(server.port, 'alice'))
    const third = await TcpWebSocket.open(server.port)
    third.stomp('CONNECT', [
      ['accept-version', '1.2'],
      ['passcode', 'alice'],
    ])
    await until('it is refused', () => third.hasEnded)
    expect(third.error?.headers.get('message')).toBe('BUSY')
    expect(third.closeCode).toBe(4004)
    opened.push(await TcpWebSocket.connected(server.port, 'bob'))
    await finish(server)
  })
})

describe('a client that stops reading', () => {
  let server: RunningServer
  let pair: HealthyPair
  let slowReaders = 0
  /** Highest figure since the flood began. */
  let buffered = 0
  beforeAll(async () => {
    server = await startServer({
      metrics: {
        count: (name) => {
          if (name === 'im_slow_readers') slowReaders++
        },
        gauge: (name, value) => {
          if (name === 'im_buffered_bytes') buffered = Math.max(buffered, value)
        },
        observe: () => undefined,
      },
    })
    pair = await HealthyPair.start(server.port, 'alice', 'bob')
  })
  afterAll(async () => {
    expect(await pair.stop()).toBe('')
    expect(pair.slowest).toBeLessThan(NOTICEABLE_MS)
    await server.stop()
  })

  /** Writes to `toUserId` until the server has noticed that somebody is slow, and then some. Returns how many messages that took. */
  async function flood(toUserId: string): Promise<number> {
    const filler = 'x'.repeat(40 * KIB)
    const noticed = slowReaders
    buffered = 0
    let more = 100
    let sent = 0
    // What the kernel takes is its own affair: some megabytes.
    while (sent < 3_000 && more > 0) {
      await server.im.api.send({ fromUserId: 'dave', toUserId, body: { type: 'text', text: filler } })
      await new Promise((resolve) => setImmediate(resolve))
      sent++
      if (slowReaders > noticed) more--
    }
    expect(slowReaders).toBeGreaterThan(noticed)
    await until('the sweep has looked', () => buffered > 0 || server.im.stats().connections === 2)
    expect(buffered).toBeLessThan(256 * KIB + 4 * 64 * KIB)
    return sent
  }

  it('is told of a lag once, when it can be, and attached again when it reads on', async () => {
    const slow = await TcpWebSocket.connected(server.port, 'carol', [['im-lag', '1']])
    slow.pause()
    const sent = await flood('carol')
    slow.resume()
    await until('the summary after the lag has come', () => slow.bodies('session').filter(({ event }) => event === 'summary').length > 1)
    expect(slow.bodies('session').filter(({ event }) => event === 'lag')).toHaveLength(1)
    const summary = slow.bodies('session').findLast(({ event }) => event === 'summary')
    expect(summary.conversations[0]).toMatchObject({ conversationId: 'd~carol~dave', headSeq: sent })
    expect(slow.hasEnded).toBe(false)
    expect(slow.bodies('messages').length).toBeLessThan(sent)
    await server.im.api.send({ fromUserId: 'dave', toUserId: 'carol', body: { type: 'text', text: 'live again' } })
    await until('it is live again', () => slow.bodies('messages').at(-1)?.body.text === 'live again')
    slow.end()
    await until('it is gone', () => server.im.stats().connections === 2)
  })

  it('is closed 4000 when it cannot be told, with no hole in what it got', async () => {
    const slow = await TcpWebSocket.connected(server.port, 'erin')
    slow.pause()
    await flood('erin')
    slow.resume()
    await until('it is closed', () => slow.hasEnded)
    expect(slow.closeCode).toBe(4000)
    const seqs = slow.bodies('messages').map(({ seq }) => seq as number)
    expect(seqs).toEqual(seqs.map((_, i) => i + 1))
    await until('it is gone', () => server.im.stats().connections === 2)
  })

  it.each([
    ['said that it can lag', [['im-lag', '1']] as const],
    ['said nothing', [] as const],
  ])('for ever, and had %s, is ended by force, and its memory is given back', async (_name, headers) => {
    const slow = await TcpWebSocket.connected(server.port, 'frank', headers)
    slow.pause()
    await flood('frank')
    await until('it is gone', () => server.im.stats().connections === 2, 30_000)
    await until('its memory too', () => server.im.stats().bufferedBytes === 0)
    slow.end()
  })

  it('and goes on asking is closed when the answers are too many', async () => {
    const slow = await TcpWebSocket.connected(server.port, 'grace', [['im-lag', '1']])
    slow.pause()
    await flood('grace')
    const receipt = 'r'.repeat(1_900)
    // As fast as frames may come, for as long as it takes.
    while (!slow.hasEnded && server.im.stats().connections > 2) {
      for (let i = 0; i < 5; i++)
        slow.stomp('NACK', [
          ['id', 'x'],
          ['receipt', receipt],
        ])
      await new Promise((resolve) => setTimeout(resolve, 110))
      expect(buffered).toBeLessThan(512 * KIB + 4 * 64 * KIB)
    }
    slow.end()
    await until('it is gone', () => server.im.stats().connections === 2)
  })
})
