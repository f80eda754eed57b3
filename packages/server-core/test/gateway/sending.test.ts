import {
  directConversationId,
  ImError,
  QUEUES,
  SEND_DESTINATIONS,
  type SendableBody,
  type SendRequest,
  type SentMessage,
} from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { memoryControls } from '../../src/memory/controls.js'
import type { MemorySocket } from '../support/memory-socket.js'
import { startTestNode, textTo, type TestNode } from '../support/test-node.js'

const conversationId = directConversationId('alice', 'bob')
const limits = { sendsPerSecond: 1_000, sendBurst: 1_000, framesPerSecond: 1_000, frameBurst: 1_000 }
const destination = SEND_DESTINATIONS.sendMessage

const textOf = (body: SendableBody): string => (body.type === 'text' ? String(body.text) : '')

function sentOf(socket: MemorySocket, receipt: string): SentMessage | undefined {
  const headers = socket.receipt(receipt)?.headers
  if (headers === undefined) return undefined
  return {
    msgId: headers.get('msg-id') as string,
    conversationId: headers.get('conversation-id') as string,
    seq: Number(headers.get('seq')),
    ord: Number(headers.get('ord')),
    timestamp: Number(headers.get('timestamp')),
    duplicate: headers.get('duplicate') === 'true',
  }
}

describe('sends in flight', () => {
  it('stop the reading at the limit, until any one of them is answered', async () => {
    const releases = new Map<string, () => void>()
    const node = await startTestNode({
      limits,
      beforeSend: { deadlineMs: 1_000_000 },
      hooks: { beforeSend: ({ body }) => new Promise((resolve) => void releases.set(textOf(body), () => resolve(undefined))) },
    })
    const socket = await node.client('alice')
    for (let i = 0; i < 100; i++) socket.send('SEND', { destination, receipt: `${i}` }, textTo('bob', `${i}`))
    await node.clock.settle()
    expect(releases.size).toBe(64)
    expect(socket.isPaused).toBe(true)
    // Not the one that filled the window, and not the last of it: any.
    releases.get('0')?.()
    await node.clock.settle()
    expect(releases.size).toBe(65)
    expect(socket.receipt('0')).toBeDefined()
    expect(socket.isPaused).toBe(true)
    for (let i = 1; i < 100; i++) {
      releases.get(`${i}`)?.()
      await node.clock.settle()
    }
    expect(socket.isPaused).toBe(false)
    const seqs = Array.from({ length: 100 }, (_, i) => sentOf(socket, `${i}`)?.seq)
    expect(seqs).toEqual(seqs.map((_, i) => i + 1))
  })

  it('hold back whatever else was under way, in order', async () => {
    const releases: (() => void)[] = []
    const node = await startTestNode({
      limits: { ...limits, sendsInFlight: 1 },
      hooks: { beforeSend: () => new Promise((resolve) => void releases.push(() => resolve(undefined))) },
    })
    const socket = await node.client('alice')
    socket.send('SEND', { destination, receipt: 'first' }, textTo('bob', '1'))
    socket.raw('NACK\nid:x\nreceipt:second\n\n\0', { underWay: true })
    socket.raw('NACK\nid:x\nreceipt:third\n\n\0', { underWay: true })
    socket.send('NACK', { id: 'x', receipt: 'fourth' })
    await node.clock.settle()
    expect(socket.received).toEqual([])
    releases[0]?.()
    await node.clock.settle()
    expect(socket.frames('RECEIPT').map((frame) => frame.headers.get('receipt-id'))).toEqual(['first', 'second', 'third', 'fourth'])
  })

  it('of a connection that goes away are committed all the same', async () => {
    let release: () => void = () => undefined
    const node = await startTestNode({
      limits,
      hooks: {
        beforeSend: () =>
          new Promise((resolve) => {
            release = () => resolve(undefined)
          }),
      },
    })
    const socket = await node.client('alice')
    const bob = await node.client('bob')
    socket.send('SEND', { destination, receipt: 'r' }, textTo('bob', 'x'))
    await node.clock.settle()
    socket.drop()
    await node.clock.settle()
    release()
    await node.clock.settle()
    expect(bob.bodies(QUEUES.messages)).toMatchObject([{ seq: 1 }])
    expect(node.gateway.connections).toBe(1)
  })
})

describe('beforeSend', () => {
  it('may take as long as it likes without reordering a connection’s sends to one conversation', async () => {
    const node = await startTestNode({
      limits,
      hooks: {
        beforeSend: ({ body }) => new Promise((resolve) => void node.clock.after(Number(textOf(body)), () => resolve(undefined))),
      },
    })
    const alice = await node.client('alice')
    const bob = await node.client('bob')
    const delays = ['300', '10', '200', '1', '100']
    for (const delay of delays) alice.send('SEND', { destination, receipt: delay }, textTo('bob', delay))
    alice.send('SEND', { destination, receipt: 'elsewhere' }, textTo('carol', '5'))
    await node.clock.advance(50)
    // Another conversation does not wait.
    expect(sentOf(alice, 'elsewhere')).toMatchObject({ seq: 1 })
    expect(alice.frames('RECEIPT')).toHaveLength(1)
    await node.clock.advance(1_000)
    expect(delays.map((delay) => sentOf(alice, delay)?.seq)).toEqual([1, 2, 3, 4, 5])
    expect(bob.bodies<{ body: { text: string } }>(QUEUES.messages).map(({ body }) => body.text)).toEqual(delays)
  })

  it('that refuses one send lets the next through, in order', async () => {
    const node = await startTestNode({
      limits,
      hooks: {
        beforeSend: async ({ body }) => {
          if (textOf(body) === 'bad') throw new ImError('REJECTED', { detail: 'Not here.', extra: { rule: 7 } })
          if (textOf(body) === 'worse') throw Object.assign(new Error('internal wording'), { reject: true })
          return textOf(body) === 'rude' ? { body: { type: 'text', text: '***' } } : undefined
        },
      },
    })
    const alice = await node.client('alice')
    const bob = await node.client('bob')
    for (const text of ['good', 'bad', 'rude', 'worse', 'fine']) alice.send('SEND', { destination, receipt: text }, textTo('bob', text))
    await node.clock.settle()
    expect(alice.bodies(QUEUES.errors)).toMatchObject([
      { code: 'REJECTED', receipt: 'bad', rule: 7, retry: 'never' },
      { code: 'REJECTED', receipt: 'worse', retry: 'never' },
    ])
    expect(JSON.stringify(alice.bodies(QUEUES.errors))).not.toContain('internal wording')
    expect(bob.bodies<{ body: { text: string } }>(QUEUES.messages).map(({ body }) => body.text)).toEqual(['good', '***', 'fine'])
  })

  it.each([
    ['closed', 'late'],
    ['closed', 'throws'],
    ['open', 'late'],
    ['open', 'throws'],
  ] as const)('under %s policy, when it is %s', async (onFailure, how) => {
    const node = await startTestNode({
      limits,
      beforeSend: { onFailure, deadlineMs: 500 },
      hooks: {
        beforeSend: () => {
          if (how === 'throws') throw new Error('a bug of the host')
          return new Promise(() => undefined)
        },
      },
    })
    const alice = await node.client('alice')
    alice.send('SEND', { destination, receipt: 'r' }, textTo('bob', 'x', node.ids.uuid()))
    await node.clock.advance(how === 'late' ? 501 : 0)
    if (onFailure === 'open') {
      expect(sentOf(alice, 'r')).toMatchObject({ seq: 1 })
    } else {
      expect(alice.bodies(QUEUES.errors)).toMatchObject([{ code: 'UNAVAILABLE', retry: 'later', receipt: 'r' }])
      expect(await node.storage.readMember(conversationId, 'alice')).toMatchObject({ head: { headSeq: 0 } })
    }
    expect(node.logged.some(({ level, message }) => level === 'error' && message === 'beforeSend failed')).toBe(true)
  })

  it('does not change what makes a retry a retry', async () => {
    let runs = 0
    const node = await startTestNode({
      limits,
      hooks: { beforeSend: () => ({ body: { type: 'text', text: `rewritten ${++runs}` } }) },
    })
    const alice = await node.client('alice')
    const msgId = node.ids.uuid()
    alice.send('SEND', { destination, receipt: '1' }, textTo('bob', 'x', msgId))
    alice.send('SEND', { destination, receipt: '2' }, textTo('bob', 'x', msgId))
    await node.clock.settle()
    expect(sentOf(alice, '2')).toEqual({ ...sentOf(alice, '1'), duplicate: true })
    expect(alice.bodies(QUEUES.messages)).toMatchObject([{ body: { text: 'rewritten 1' } }])
  })
})

describe('a retry of what is committed', () => {
  type Way = 'stomp' | 'rest'
  const mixes: readonly (readonly [Way, Way])[] = [
    ['stomp', 'stomp'],
    ['rest', 'rest'],
    ['stomp', 'rest'],
    ['rest', 'stomp'],
  ]

  /** Sends by either way; resolves with the answer or the refusal's code. */
  async function send(node: TestNode, socket: MemorySocket, way: Way, request: SendRequest): Promise<SentMessage | string> {
    if (way === 'rest') {
      // What the route does with a body, without the HTTP around it.
      const sending = node.send
        .execute({ userId: 'alice', userType: 'user' }, validate(sendRequest, request))
        .catch((error: ImError) => error.code)
      await node.clock.settle()
      return sending
    }
    const receipt = node.ids.uuid()
    socket.send('SEND', { destination, receipt }, JSON.stringify(request))
    await node.clock.settle()
    const refusal = socket.bodies(QUEUES.errors).find((told) => told.receipt === receipt)
    return sentOf(socket, receipt) ?? (refusal?.code as string)
  }

  const text = (msgId: string, words = 'x'): SendRequest => ({ msgId, toUserId: 'bob', body: { type: 'text', text: words } })

  describe.each(mixes)('first by %s, then by %s', (first, second) => {
    it('is answered as the first one while the sender is over the limit', async () => {
      const node = await startTestNode({ limits: { ...limits, sendsPerSecond: 0.001, sendBurst: 2 } })
      const alice = await node.client('alice')
      const msgId = node.ids.uuid()
      const sent = await send(node, alice, first, text(msgId))
      expect(sent).toMatchObject({ msgId, seq: 1, duplicate: false })
      await send(node, alice, first, text(node.ids.uuid()))
      expect(await send(node, alice, second, text(node.ids.uuid()))).toBe('RATE_LIMITED')
      expect(await send(node, alice, second, text(msgId))).toEqual({ ...(sent as SentMessage), duplicate: true })
      // The same id with other content is no retry.
      expect(await send(node, alice, second, text(msgId, 'other'))).toBe('RATE_LIMITED')
    })

    it('is answered as the first one after the conversation was closed, or the sender removed', async () => {
      const node = await startTestNode({ limits })
      const alice = await node.client('alice')
      const controls = memoryControls(node.storage)
      const msgId = node.ids.uuid()
      const sent = await send(node, alice, first, text(msgId))
      await controls.setState(conversationId, 'closed')
      await node.clock.advance(3_000)
      expect(await send(node, alice, second, text(msgId))).toEqual({ ...(sent as SentMessage), duplicate: true })
      expect(await send(node, alice, second, text(node.ids.uuid()))).toBe('STATE_CONFLICT')
      await controls.setState(conversationId, 'open')
      await controls.patchMember(conversationId, 'alice', { leaveSeq: 1 })
      await node.clock.advance(3_000)
      expect(await send(node, alice, second, text(msgId))).toEqual({ ...(sent as SentMessage), duplicate: true })
      expect(await send(node, alice, second, text(node.ids.uuid()))).toBe('NOT_MEMBER')
    })

    it('is answered as the first one although the hook would refuse it now', async () => {
      let strict = false
      const node = await startTestNode({
        limits,
        hooks: {
          beforeSend: () => {
            if (strict) throw new ImError('REJECTED')
            return undefined
          },
        },
      })
      const alice = await node.client('alice')
      const msgId = node.ids.uuid()
      const sent = await send(node, alice, first, text(msgId))
      strict = true
      expect(await send(node, alice, second, text(msgId))).toEqual({ ...(sent as SentMessage), duplicate: true })
      expect(await send(node, alice, second, text(node.ids.uuid()))).toBe('REJECTED')
    })

    it('with other content is MSG_ID_CONFLICT, and so is somebody else’s id', async () => {
      const node = await startTestNode({ limits })
      const alice = await node.client('alice')
      const bob = await node.client('bob')
      const msgId = node.ids.uuid()
      await send(node, alice, first, text(msgId))
      expect(await send(node, alice, second, text(msgId, 'other'))).toBe('MSG_ID_CONFLICT')
      bob.send('SEND', { destination, receipt: 'theft' }, textTo('alice', 'x', msgId))
      await node.clock.settle()
      expect(bob.bodies(QUEUES.errors)).toMatchObject([{ code: 'MSG_ID_CONFLICT', receipt: 'theft', msgId }])
    })
  })
})
