import { CLOSE, DEFAULT_LIMITS, directConversationId, QUEUES, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { startTestNode, textTo, type TestNode } from '../support/test-node.js'
import { bodyOf, type MemorySocket } from '../support/memory-socket.js'

const conversationId = directConversationId('alice', 'bob')

/** The one refusal that `provoke` brings a client that listens to errors. */
async function refusal(node: TestNode, socket: MemorySocket, provoke: () => void): Promise<Readonly<Record<string, unknown>>> {
  const before = socket.bodies(QUEUES.errors).length
  provoke()
  await node.clock.settle()
  expect(socket.closed).toBeUndefined()
  const refusals = socket.bodies(QUEUES.errors).slice(before)
  expect(refusals).toHaveLength(1)
  return refusals[0] as Readonly<Record<string, unknown>>
}

describe('frames', () => {
  it('are limited: beyond the burst the connection ends 4003, refilled over time', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    await node.clock.advance(10_000)
    for (let i = 0; i < DEFAULT_LIMITS.frameBurst; i++) socket.raw('\n')
    expect(socket.closed).toBeUndefined()
    await node.clock.advance(100)
    for (let i = 0; i < DEFAULT_LIMITS.framesPerSecond / 10; i++) socket.raw('\n')
    expect(socket.closed).toBeUndefined()
    socket.raw('\n')
    expect(socket.error).toMatchObject({ code: 'RATE_LIMITED' })
    expect(socket.closed?.code).toBe(CLOSE.flooding)
  })

  it('are counted one by one, however many share a WebSocket message', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    await node.clock.advance(10_000)
    socket.raw(`SEND\ndestination:${SEND_DESTINATIONS.heartbeat}\n\n\0`.repeat(DEFAULT_LIMITS.frameBurst + 1))
    expect(socket.closed?.code).toBe(CLOSE.flooding)
  })

  it('that cannot be read end the connection after what stood before them', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    socket.raw(`NACK\nid:x\nreceipt:before\n\n\0NONSENSE\n\n\0`)
    await node.clock.settle()
    expect(socket.receipt('before')).toBeDefined()
    expect(socket.error).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(socket.closed?.code).toBe(CLOSE.protocolError)
  })

  it('are answered in the kind they came in', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const kinds: boolean[] = []
    socket.prepare = (frame, binary) => {
      kinds.push(binary)
      return Buffer.from(frame)
    }
    socket.raw('NACK\nid:x\nreceipt:1\n\n\0', { binary: true })
    await node.clock.settle()
    socket.raw('NACK\nid:x\nreceipt:2\n\n\0')
    await node.clock.settle()
    expect(kinds).toEqual([true, false])
  })
})

describe('SUBSCRIBE', () => {
  it.each([
    ['/user/queue/nonexistent', 'FORBIDDEN'],
    ['/user/bob/queue/messages', 'FORBIDDEN'],
    ['/user/queue/*', 'FORBIDDEN'],
    ['/user/queue/messages/', 'FORBIDDEN'],
    ['/topic/session/1', 'FORBIDDEN'],
    ['/queue/messages-user1', 'FORBIDDEN'],
    ['/app/chat.sendMessage', 'NOT_FOUND'],
    ['', 'NOT_FOUND'],
  ])('to %s is refused', async (destination, code) => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const told = await refusal(node, socket, () => socket.send('SUBSCRIBE', { id: 'x', destination, receipt: 'r' }))
    expect(told).toMatchObject({ code, receipt: 'r', destination, retry: 'never' })
    expect(socket.receipt('r')).toBeUndefined()
  })

  it.each([
    ['no id', { destination: QUEUES.session }],
    ['an empty id', { id: '', destination: QUEUES.session }],
    ['an id that is too long', { id: 'x'.repeat(65), destination: QUEUES.session }],
    ['a used id', { id: 'errors', destination: QUEUES.session }],
    ['an unknown ack mode', { id: 'x', destination: QUEUES.session, ack: 'maybe' }],
    ['no destination', { id: 'x' }],
  ])('with %s is refused', async (_name, headers) => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const told = await refusal(node, socket, () => socket.send('SUBSCRIBE', { ...headers, receipt: 'r' }))
    expect(told).toMatchObject({ code: 'INVALID_REQUEST', receipt: 'r' })
  })

  it('is limited, and UNSUBSCRIBE makes room', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    for (let i = 4; i < DEFAULT_LIMITS.subscriptionsPerConnection; i++)
      socket.send('SUBSCRIBE', { id: `${i}`, destination: QUEUES.session })
    const told = await refusal(node, socket, () => socket.send('SUBSCRIBE', { id: 'more', destination: QUEUES.session }))
    expect(told).toMatchObject({ code: 'TOO_LARGE' })
    socket.send('UNSUBSCRIBE', { id: '4' })
    socket.send('SUBSCRIBE', { id: 'more', destination: QUEUES.session, receipt: 'r' })
    await node.clock.settle()
    expect(socket.receipt('r')).toBeDefined()
  })

  it('to messages is answered when attached, after the summary', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice', { queues: ['errors', 'session'] })
    socket.send('SUBSCRIBE', { id: 'm', destination: QUEUES.messages, receipt: 'attached' })
    await node.clock.settle()
    expect(socket.received.map((frame) => (frame.command === 'MESSAGE' ? bodyOf(frame).event : frame.command))).toEqual([
      'summary',
      'RECEIPT',
    ])
  })

  it('to messages twice brings each message once per subscription, with its id', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    socket.send('SUBSCRIBE', { id: 'second', destination: QUEUES.messages, ack: 'client' })
    await node.clock.settle()
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'hi'))
    await node.clock.settle()
    const messages = socket.frames('MESSAGE', { destination: QUEUES.messages })
    expect(messages.map((frame) => [frame.headers.get('subscription'), frame.headers.get('ack')])).toEqual([
      ['messages', undefined],
      ['second', `${conversationId}:1`],
    ])
  })

  it('ends with UNSUBSCRIBE: nothing comes after its receipt', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob')
    const alice = await node.client('alice')
    for (let i = 0; i < 5; i++) alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i}`))
    // Within the turn in which the messages were queued for bob.
    for (let i = 0; i < 20 && node.index.headOf(conversationId) !== 5; i++) await Promise.resolve()
    bob.send('UNSUBSCRIBE', { id: 'messages', receipt: 'gone' })
    await node.clock.settle()
    const at = bob.received.findIndex((frame) => frame.headers.get('receipt-id') === 'gone')
    expect(at).toBeGreaterThanOrEqual(0)
    expect(bob.received.slice(at + 1).filter((frame) => frame.command === 'MESSAGE')).toEqual([])
    const told = await refusal(node, bob, () => bob.send('UNSUBSCRIBE', { id: 'messages' }))
    expect(told).toMatchObject({ code: 'INVALID_REQUEST' })
  })
})

describe('SEND', () => {
  it.each([
    ['/app/chat.nonexistent', 'NOT_FOUND'],
    ['/user/bob/queue/messages', 'FORBIDDEN'],
    ['/user/queue/messages', 'FORBIDDEN'],
    ['/topic/anything', 'FORBIDDEN'],
    ['/APP/chat.sendMessage', 'NOT_FOUND'],
  ])('to %s is refused and nobody receives it', async (destination, code) => {
    const node = await startTestNode()
    const bob = await node.client('bob')
    const mallory = await node.client('mallory')
    const forged = JSON.stringify({ conversationId, seq: 1, fromUserId: 'alice', body: { type: 'text', text: 'forged' } })
    const told = await refusal(node, mallory, () => mallory.send('SEND', { destination, receipt: 'r' }, forged))
    expect(told).toMatchObject({ code, receipt: 'r', destination })
    await node.clock.advance(5_000)
    expect(bob.received).toEqual([])
  })

  it('as somebody else has no effect: identity comes from the token', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob')
    const mallory = await node.client('mallory')
    const forged = { toUserId: 'bob', fromUserId: 'alice', userId: 'alice', operatorId: 'alice', body: { type: 'text', text: 'hi' } }
    mallory.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'r' }, JSON.stringify(forged))
    await node.clock.settle()
    expect(mallory.receipt('r')?.headers.get('conversation-id')).toBe(directConversationId('bob', 'mallory'))
    expect(bob.bodies(QUEUES.messages)).toMatchObject([{ fromUserId: 'mallory', conversationId: directConversationId('bob', 'mallory') }])
  })

  it.each([
    ['no JSON', '{'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['nothing', ''],
    ['a number', '5'],
    ['null', 'null'],
    ['no target', '{"body":{"type":"text","text":"x"}}'],
    ['two targets', '{"toUserId":"bob","groupId":"g","body":{"type":"text","text":"x"}}'],
    ['an empty text', '{"toUserId":"bob","body":{"type":"text","text":""}}'],
    ['a system body', '{"toUserId":"bob","body":{"type":"system","event":"member.joined"}}'],
    ['a script as URL', '{"toUserId":"bob","body":{"type":"image","url":"javascript:alert(1)"}}'],
    ['a protocol-relative URL', '{"toUserId":"bob","body":{"type":"image","url":"//evil.example"}}'],
    ['a server’s msgId', '{"msgId":"01234567-89ab-5def-8123-456789abcdef","toUserId":"bob","body":{"type":"text","text":"x"}}'],
    ['an upper-case msgId', '{"msgId":"01234567-89AB-4def-8123-456789abcdef","toUserId":"bob","body":{"type":"text","text":"x"}}'],
    ['a user id that is none', '{"toUserId":"bob smith","body":{"type":"text","text":"x"}}'],
    ['oneself', '{"toUserId":"alice","body":{"type":"text","text":"x"}}'],
    ['a conversation id that is none', '{"conversationId":"d~bob~alice","body":{"type":"text","text":"x"}}'],
    ['a body nested out of all reason', `{"toUserId":"bob","body":{"type":"x-deep","a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`],
  ])('with %s is INVALID_REQUEST', async (_name, body) => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const told = await refusal(node, socket, () => socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'r' }, body))
    expect(told).toMatchObject({ code: 'INVALID_REQUEST', receipt: 'r' })
    expect(node.logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('with too large a body is TOO_LARGE, and one just within is stored', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const overhead = JSON.stringify({ type: 'text', text: '' }).length
    const told = await refusal(node, socket, () => {
      socket.send(
        'SEND',
        { destination: SEND_DESTINATIONS.sendMessage },
        textTo('bob', 'x'.repeat(DEFAULT_LIMITS.bodyBytes - overhead + 1)),
      )
    })
    expect(told).toMatchObject({ code: 'TOO_LARGE' })
    const fits = textTo('bob', 'x'.repeat(DEFAULT_LIMITS.bodyBytes - overhead))
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'fits' }, fits)
    await node.clock.settle()
    expect(socket.receipt('fits')).toBeDefined()
  })

  it('into a foreign conversation is refused', async () => {
    const node = await startTestNode()
    const socket = await node.client('mallory')
    for (const [target, code] of [
      [{ conversationId }, 'NOT_MEMBER'],
      [{ groupId: 'unknown' }, 'NOT_FOUND'],
      [{ sessionId: 'unknown' }, 'NOT_FOUND'],
    ] as const) {
      const body = JSON.stringify({ ...target, body: { type: 'text', text: 'x' } })
      const told = await refusal(node, socket, () => socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, body))
      expect(told).toMatchObject({ code })
    }
  })

  it('is answered with all a client needs, and only when it asks', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const msgId = node.ids.uuid()
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'a:1' }, textTo('bob', 'hi', msgId))
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'again'))
    await node.clock.settle()
    expect(socket.frames('RECEIPT')).toHaveLength(1)
    expect(Object.fromEntries(socket.receipt('a:1')?.headers ?? [])).toMatchObject({
      'msg-id': msgId,
      'conversation-id': conversationId,
      seq: '1',
      ord: '1',
      duplicate: 'false',
    })
  })

  it('of a heart-beat tells heads of own conversations alone', async () => {
    const node = await startTestNode()
    const alice = await node.client('alice')
    const mallory = await node.client('mallory')
    alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'hi'))
    await node.clock.settle()
    const asked = JSON.stringify({ heads: { [conversationId]: 0, 'g~none': 0 } })
    for (const socket of [alice, mallory]) socket.send('SEND', { destination: SEND_DESTINATIONS.heartbeat, receipt: 'h' }, asked)
    await node.clock.settle()
    expect(alice.bodies(QUEUES.heartbeat)).toMatchObject([{ epoch: 1, heads: { [conversationId]: 1 } }])
    expect(mallory.bodies(QUEUES.heartbeat)).toMatchObject([{ heads: {} }])
    const many = Object.fromEntries(Array.from({ length: DEFAULT_LIMITS.heartbeatHeads + 1 }, (_, i) => [`g~${i}`, 0]))
    const told = await refusal(node, alice, () =>
      alice.send('SEND', { destination: SEND_DESTINATIONS.heartbeat }, JSON.stringify({ heads: many })),
    )
    expect(told).toMatchObject({ code: 'TOO_LARGE' })
  })

  it('to presence.watch says that it is not offered yet', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const told = await refusal(node, socket, () => socket.send('SEND', { destination: SEND_DESTINATIONS.watchPresence }, '{"userIds":[]}'))
    expect(told).toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('ACK', () => {
  it('moves deliveredSeq, cumulatively, and is answered when written', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob', { ack: 'client' })
    const alice = await node.client('alice')
    for (let i = 0; i < 3; i++) alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i}`))
    await node.clock.settle()
    const acks = bob.frames('MESSAGE', { destination: QUEUES.messages }).map((frame) => frame.headers.get('ack') as string)
    expect(acks).toEqual([1, 2, 3].map((seq) => `${conversationId}:${seq}`))
    bob.send('ACK', { id: acks[1] as string, receipt: 'r' })
    await node.clock.settle()
    expect(bob.receipt('r')).toBeUndefined()
    await node.clock.advance(1_000)
    expect(bob.receipt('r')).toBeDefined()
    const found = await node.storage.readMember(conversationId, 'bob')
    expect(found?.member).toMatchObject({ deliveredSeq: 2, readSeq: 0 })
    expect(alice.bodies(QUEUES.session)).toContainEqual(expect.objectContaining({ event: 'receipt', userId: 'bob', deliveredSeq: 2 }))
  })

  it.each(['', 'x', 'd~alice~bob', 'd~alice~bob:0', 'd~alice~bob:-1', 'd~alice~bob:1.5', 'd~bob~alice:1', `g~x:${'9'.repeat(17)}`])(
    'of %j is refused',
    async (id) => {
      const node = await startTestNode()
      const socket = await node.client('alice')
      const told = await refusal(node, socket, () => socket.send('ACK', { id, receipt: 'r' }))
      expect(told).toMatchObject({ code: 'INVALID_REQUEST', receipt: 'r' })
    },
  )

  it('for a conversation one is not in moves nothing', async () => {
    const node = await startTestNode()
    const alice = await node.client('alice')
    const mallory = await node.client('mallory')
    alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'hi'))
    mallory.send('ACK', { id: `${conversationId}:1`, receipt: 'r' })
    await node.clock.advance(1_500)
    expect(mallory.receipt('r')).toBeDefined()
    expect((await node.storage.readMember(conversationId, 'mallory'))?.member).toBeUndefined()
    expect(alice.bodies(QUEUES.session)).toEqual([])
  })

  it('of an old epoch is refused', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const body = JSON.stringify({ epoch: 7, acks: [{ conversationId, upToSeq: 1 }] })
    const told = await refusal(node, socket, () => socket.send('SEND', { destination: SEND_DESTINATIONS.ack, receipt: 'r' }, body))
    expect(told).toMatchObject({ code: 'EPOCH_CHANGED', retry: 'after-resync' })
  })

  it('has a counterpart without effect: NACK', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const told = await refusal(node, socket, () => socket.send('NACK', { receipt: 'r' }))
    expect(told).toMatchObject({ code: 'INVALID_REQUEST', receipt: 'r' })
    socket.send('NACK', { id: `${conversationId}:1`, receipt: 'r' })
    await node.clock.settle()
    expect(socket.receipt('r')).toBeDefined()
  })
})

describe('transactions', () => {
  it.each(['BEGIN', 'COMMIT', 'ABORT'] as const)('%s ends the connection, naming the receipt that will not come', async (command) => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    socket.send(command, { transaction: 't', receipt: 'r' })
    await node.clock.settle()
    expect(socket.error).toMatchObject({ code: 'UNSUPPORTED', receipt: 'r' })
    expect(socket.frames('ERROR')[0]?.headers.get('receipt-id')).toBe('r')
    expect(socket.closed?.code).toBe(CLOSE.protocolError)
  })

  it('a transaction header is refused wherever it may stand, and nothing of the frame happens', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const send = { destination: SEND_DESTINATIONS.sendMessage, transaction: 't', receipt: '1' }
    expect(await refusal(node, socket, () => socket.send('SEND', send, textTo('bob', 'hi')))).toMatchObject({
      code: 'UNSUPPORTED',
      receipt: '1',
    })
    for (const command of ['ACK', 'NACK'] as const) {
      const headers = { id: `${conversationId}:1`, transaction: 't', receipt: command }
      expect(await refusal(node, socket, () => socket.send(command, headers))).toMatchObject({ code: 'UNSUPPORTED', receipt: command })
    }
    await node.clock.advance(2_000)
    expect(socket.frames('RECEIPT')).toEqual([])
    expect(await node.storage.readHeads([conversationId])).toEqual([])
  })
})

describe('DISCONNECT', () => {
  it('is answered after everything outstanding, then the server closes', async () => {
    let release: () => void = () => undefined
    const node = await startTestNode({
      hooks: {
        beforeSend: () =>
          new Promise((resolve) => {
            release = () => resolve(undefined)
          }),
      },
    })
    const socket = await node.client('alice')
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'send' }, textTo('bob', 'hi'))
    socket.send('DISCONNECT', { receipt: 'bye' })
    await node.clock.settle()
    expect(socket.received).toEqual([])
    expect(socket.closed).toBeUndefined()
    release()
    await node.clock.settle()
    expect(socket.frames('RECEIPT').map((frame) => frame.headers.get('receipt-id'))).toEqual(['send', 'bye'])
    expect(socket.closed?.code).toBe(1000)
  })

  it('waits for an acknowledgement that is still to be written', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    const body = JSON.stringify({ acks: [{ conversationId, upToSeq: 1 }] })
    socket.send('SEND', { destination: SEND_DESTINATIONS.ack, receipt: 'ack' }, body)
    socket.send('DISCONNECT', { receipt: 'bye' })
    await node.clock.advance(1_200)
    expect(socket.frames('RECEIPT').map((frame) => frame.headers.get('receipt-id'))).toEqual(['ack', 'bye'])
  })

  it('is the last word: frames behind it do nothing, a second one included', async () => {
    let release: () => void = () => undefined
    const node = await startTestNode({
      hooks: {
        beforeSend: () =>
          new Promise((resolve) => {
            release = () => resolve(undefined)
          }),
      },
    })
    const socket = await node.client('alice')
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'send' }, textTo('bob', 'hi'))
    socket.send('DISCONNECT', { receipt: 'bye' })
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'late' }, textTo('bob', 'late'))
    socket.send('DISCONNECT', { receipt: 'bye again' })
    await node.clock.settle()
    release()
    await node.clock.settle()
    expect(socket.frames('RECEIPT').map((frame) => frame.headers.get('receipt-id'))).toEqual(['send', 'bye'])
    expect(await node.storage.readHeads([conversationId])).toMatchObject([{ headSeq: 1 }])
  })
})

describe('a refusal', () => {
  it('reaches a client that does not listen to errors as ERROR with its receipt id, and a close', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice', { queues: ['messages'] })
    socket.send('SEND', { destination: '/app/nonexistent', receipt: 'r:1' })
    await node.clock.settle()
    expect(socket.error).toMatchObject({ code: 'NOT_FOUND', receipt: 'r:1', destination: '/app/nonexistent' })
    expect(socket.frames('ERROR')[0]?.headers.get('receipt-id')).toBe('r:1')
    expect(socket.frames('ERROR')[0]?.headers.get('message')).toBe('NOT_FOUND')
    expect(socket.closed?.code).toBe(CLOSE.protocolError)
  })

  it('that is not final closes such a client with a code it may come back after', async () => {
    const node = await startTestNode({ limits: { sendsPerSecond: 1, sendBurst: 1 } })
    const socket = await node.client('alice', { queues: ['messages'] })
    for (let i = 0; i < 2; i++) socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i}`))
    await node.clock.settle()
    expect(socket.error).toMatchObject({ code: 'RATE_LIMITED', retry: 'later' })
    expect(socket.closed?.code).toBe(CLOSE.flooding)
  })

  it('never quotes what was sent in headers', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    socket.send('SEND', { destination: '/app/\nX-Evil:1', receipt: 'a\nb:c' })
    await node.clock.settle()
    const [frame] = socket.frames('MESSAGE', { destination: QUEUES.errors })
    expect([...(frame?.headers.keys() ?? [])]).toEqual(['subscription', 'destination', 'message-id', 'content-type', 'content-length'])
    expect(bodyOf(frame!)).toMatchObject({ code: 'NOT_FOUND', receipt: 'a\nb:c' })
  })
})
