import { type Command, type Frame, isUserId, QUEUES, SEND_DESTINATIONS, serializeFrame } from '@innerline/protocol'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Authenticate } from '../../src/ports/index.js'
import { startTestNode, textTo } from '../support/test-node.js'

/** Whatever a client sends, in whatever order: no throw out of the gateway, no rejection nobody handles, nothing left behind. */

/** As a host's does, it takes nothing for a user that cannot be one: that would be the host's own failure, and logged as such. */
const authenticate: Authenticate = ({ token }) => (token !== undefined && isUserId(token) ? { userId: token, userType: 'user' } : null)

const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})
afterEach(() => {
  process.off('unhandledRejection', note)
})

const commands = ['CONNECT', 'STOMP', 'SEND', 'SUBSCRIBE', 'UNSUBSCRIBE', 'ACK', 'NACK', 'BEGIN', 'COMMIT', 'ABORT', 'DISCONNECT'] as const
const names = fc.constantFrom('id', 'destination', 'receipt', 'ack', 'transaction', 'heart-beat', 'accept-version', 'passcode', 'x-y')
const values = fc.oneof(
  fc.constantFrom(...Object.values(QUEUES), ...Object.values(SEND_DESTINATIONS), '/user/bob/queue/messages', '/topic/x', ''),
  fc.constantFrom('auto', 'client', 'client-individual', '1.2', '10000,10000', 'd~alice~bob:1', 'alice', '1', '2'),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll('\0', '')),
)
const bodies = fc.oneof(
  fc.constant(''),
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constant(textTo('bob', 'hi')),
  fc
    .record({ toUserId: fc.string(), body: fc.anything(), msgId: fc.string() }, { requiredKeys: [] })
    .map((value) => JSON.stringify(value) ?? ''),
  fc
    .record({ acks: fc.array(fc.record({ conversationId: fc.constantFrom('d~alice~bob', 'g~x', ''), upToSeq: fc.integer() })) })
    .map((value) => JSON.stringify(value)),
)
const frames = fc
  .record({ command: fc.constantFrom(...commands), headers: fc.dictionary(names, values, { maxKeys: 5 }), body: bodies })
  .map(({ command, headers, body }) => {
    try {
      return serializeFrame(command as Command, headers, command === 'SEND' ? body : '')
    } catch {
      // CONNECT's headers cannot hold line breaks; as raw bytes they are malformed, which is worth sending too.
      return new TextEncoder().encode(`${command}\nid:\r\r\n\n\0`)
    }
  })
const mutations = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
const spoiled = fc.tuple(frames, fc.array(mutations, { maxLength: 4 })).map(([frame, spoils]) => {
  const bytes = frame.slice()
  for (const [at, byte] of spoils) bytes[at % bytes.length] = byte
  return bytes
})
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: frames.map((bytes) => ({ kind: 'bytes' as const, bytes })) },
    { weight: 2, arbitrary: spoiled.map((bytes) => ({ kind: 'bytes' as const, bytes })) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ kind: 'bytes' as const, bytes })) },
    { weight: 1, arbitrary: fc.constantFrom('stall', 'flow', 'pong', 'drop').map((kind) => ({ kind })) },
    { weight: 1, arbitrary: fc.nat({ max: 12_000 }).map((ms) => ({ kind: 'wait' as const, ms })) },
  ),
  { maxLength: 25, size: 'max' },
)

const connectFrame = serializeFrame('CONNECT', { 'accept-version': '1.2', passcode: 'alice' })

describe('a client that sends anything', () => {
  it('breaks nothing and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), fc.boolean(), async (script, connected, listens) => {
        const node = await startTestNode({ authenticate })
        const bob = await node.client('bob')
        const socket = node.dial()
        if (connected) {
          socket.raw(connectFrame)
          await node.clock.settle()
          if (listens) socket.send('SUBSCRIBE', { id: 'e', destination: QUEUES.errors })
          socket.send('SUBSCRIBE', { id: 'm', destination: QUEUES.messages })
        }
        for (const step of script) {
          if (step.kind === 'bytes' && 'bytes' in step) socket.raw(step.bytes, { underWay: step.bytes.length % 2 === 0 })
          else if (step.kind === 'wait' && 'ms' in step) await node.clock.advance(step.ms)
          else if (step.kind === 'stall') socket.stall()
          else if (step.kind === 'flow') socket.flow()
          else if (step.kind === 'pong') socket.pong()
          else if (step.kind === 'drop') socket.drop()
        }
        await node.clock.advance(2_000)
        socket.flow()
        await node.clock.settle()
        // A connection ends with an ERROR only when it ends, and one ERROR is enough.
        const errors = socket.frames('ERROR')
        expect(errors.length).toBeLessThanOrEqual(1)
        if (errors.length === 1) expect(socket.received.at(-1)?.command).toBe('ERROR')
        expect(socket.received.every((frame: Frame) => ['CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR'].includes(frame.command))).toBe(true)
        socket.drop()
        await node.clock.settle()
        expect(node.gateway.connections).toBe(1)
        expect(bob.closed).toBeUndefined()
        // Bob is as well served as ever.
        const carol = await node.client('carol')
        carol.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'r' }, textTo('bob', 'still there?'))
        await node.clock.settle()
        expect(carol.receipt('r')).toBeDefined()
        expect(bob.bodies(QUEUES.messages)).toContainEqual(expect.objectContaining({ fromUserId: 'carol' }))
        bob.drop()
        carol.drop()
        await node.clock.settle()
        expect([node.gateway.connections, node.index.users, node.index.conversations, node.lanes.depth]).toEqual([0, 0, 0, 0])
        expect(node.logged.filter(({ level }) => level === 'error')).toEqual([])
        expect(unhandled).toEqual([])
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
