import { describe, expect, it } from 'vitest'
import { OutboundQueue } from '../../src/gateway/outbound-queue.js'
import type { GatewaySocket } from '../../src/gateway/socket.js'

const KIB = 1024
const limits = { logQueueBytes: 256 * KIB, owedQueueBytes: 256 * KIB }
const frame = (kib: number): Uint8Array => new Uint8Array(kib * KIB)

/** A socket that takes nothing. */
function stuck(): GatewaySocket & { bufferedBytes: number } {
  return {
    bufferedBytes: 0,
    write(frames) {
      for (const { length } of frames) this.bufferedBytes += length
    },
  } as GatewaySocket & { bufferedBytes: number }
}

describe('a burst of messages in one turn', () => {
  it('is followed by a lag, not by the end, however large it was', () => {
    const queue = new OutboundQueue()
    const socket = stuck()
    for (let i = 0; i < 20; i++) queue.pushLog(frame(40))
    expect(queue.flush(socket, limits)).toBe('ok')
    queue.pushLog(frame(1))
    expect(queue.flush(socket, limits)).toBe('lag')
  })

  it('does not make the next answer too many', () => {
    const queue = new OutboundQueue()
    const socket = stuck()
    for (let i = 0; i < 20; i++) queue.pushLog(frame(40))
    queue.flush(socket, limits)
    queue.pushOwed(frame(1))
    expect(queue.flush(socket, limits)).toBe('ok')
  })
})

describe('answers that nobody takes', () => {
  it('are too many beyond their own limit, in one flush or in many', () => {
    const queue = new OutboundQueue()
    const socket = stuck()
    socket.bufferedBytes = 300 * KIB
    const outcomes = Array.from({ length: 30 }, () => {
      queue.pushOwed(frame(10))
      return queue.flush(socket, limits)
    })
    expect(outcomes.indexOf('overflow')).toBe(25)
  })

  it('are forgiven once the socket has caught up', () => {
    const queue = new OutboundQueue()
    const socket = stuck()
    for (let round = 0; round < 5; round++) {
      socket.bufferedBytes = 300 * KIB
      for (let i = 0; i < 20; i++) {
        queue.pushOwed(frame(10))
        expect(queue.flush(socket, limits)).toBe('ok')
      }
      socket.bufferedBytes = 0
      queue.pushOwed(frame(1))
      expect(queue.flush(socket, limits)).toBe('ok')
    }
  })
})
