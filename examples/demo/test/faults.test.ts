import type { WebSocketLike } from '@innerline/sdk-client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FaultyNetwork, type NetworkEvent } from '../web/faults.js'

class RealSocket implements WebSocketLike {
  binaryType = 'blob'
  readyState = 1
  readonly url = 'ws://test/ws/chat'
  onopen: ((event: never) => unknown) | null = null
  onmessage: ((event: never) => unknown) | null = null
  onclose: ((event: never) => unknown) | null = null
  onerror: ((event: never) => unknown) | null = null
  readonly sent: unknown[] = []
  closed = false
  send(data: unknown) {
    this.sent.push(data)
  }
  close() {
    this.closed = true
    this.readyState = 3
  }
  receive(data: unknown) {
    this.onmessage?.({ data } as never)
  }
}

const MSG = '01890000-0000-7000-8000-000000000001'
const receipt = (duplicate = false) =>
  `RECEIPT\nreceipt-id:${MSG}\nmsg-id:${MSG}\nconversation-id:d~alice~bob\nseq:7\nduplicate:${duplicate}\n\n\0`
const message = (seq: number) =>
  `MESSAGE\ndestination:/user/queue/messages\nsubscription:m\nmessage-id:d~alice~bob\\c${seq}\n\n{"seq":${seq}}\0`
const send = `SEND\ndestination:/app/chat.sendMessage\nreceipt:${MSG}\n\n{"msgId":"${MSG}"}\0`
const ack = 'SEND\ndestination:/app/chat.ack\nreceipt:ack-1\n\n{"acks":[]}\0'

function open() {
  const events: NetworkEvent[] = []
  const real = new RealSocket()
  let onlineAgain = () => {}
  const network = new FaultyNetwork(
    {
      webSocket: () => real,
      fetch: async () => new Response('{}', { status: 200 }),
      isOnline: () => true,
      watch: (onWake) => {
        onlineAgain = onWake
        return () => {}
      },
    },
    (event) => events.push(event),
  )
  const socket = network.webSocket(real.url, ['v12.stomp'])
  const got: unknown[] = []
  const closes: number[] = []
  socket.onmessage = ({ data }: { data: unknown }) => got.push(data)
  socket.onclose = ({ code }: { code: number }) => closes.push(code)
  const types = () => events.map(({ type }) => type)
  return { network, socket, real, got, closes, events, types, wakeReal: () => onlineAgain() }
}

describe('the faulty network', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('changes nothing while nothing is broken', () => {
    const { socket, real, got, closes } = open()
    socket.binaryType = 'arraybuffer'
    expect(real.binaryType).toBe('arraybuffer')
    real.receive(message(1))
    real.receive('\n')
    socket.send(send)
    expect(got).toEqual([message(1), '\n'])
    expect(real.sent).toEqual([send])
    real.onclose?.({ code: 1012 } as never)
    expect(closes).toEqual([1012])
    expect(socket.readyState).toBe(3)
  })

  it('swallows the receipt of one message, not those of subscriptions, and only once', () => {
    const { network, real, got, types } = open()
    network.toggle('lose-receipt')
    real.receive('RECEIPT\nreceipt-id:m\n\n\0')
    real.receive(message(1))
    real.receive(receipt())
    real.receive(receipt(true))
    expect(got).toEqual(['RECEIPT\nreceipt-id:m\n\n\0', message(1), receipt(true)])
    expect(types()).toEqual(['armed', 'lost-receipt', 'receipt'])
    expect(network.state.getSnapshot().armed.size).toBe(0)
  })

  it('reads binary frames as well', () => {
    const { network, real, got } = open()
    network.toggle('lose-receipt')
    real.receive(new TextEncoder().encode(receipt()).buffer)
    expect(got).toEqual([])
  })

  it('loses or repeats one message and says which', () => {
    const { network, real, got, events } = open()
    network.toggle('lose-message')
    real.receive(message(1))
    network.toggle('duplicate')
    real.receive(message(2))
    real.receive(message(3))
    expect(got).toEqual([message(2), message(2), message(3)])
    expect(events).toContainEqual({ type: 'lost-message', at: 'd~alice~bob:1' })
    expect(events).toContainEqual({ type: 'duplicated', at: 'd~alice~bob:2' })
  })

  it('loses one acknowledgement and no other frame', () => {
    const { network, socket, real } = open()
    network.toggle('lose-ack')
    socket.send(send)
    socket.send(ack)
    socket.send(ack)
    expect(real.sent).toEqual([send, ack])
  })

  it('counts the attempts of a message until it is answered', () => {
    const { socket, real, events } = open()
    socket.send(send)
    socket.send(send)
    real.receive(receipt(true))
    socket.send(send)
    expect(events).toEqual([
      { type: 'send', msgId: MSG, attempt: 1 },
      { type: 'send', msgId: MSG, attempt: 2 },
      { type: 'receipt', msgId: MSG, seq: '7', duplicate: true },
      { type: 'send', msgId: MSG, attempt: 1 },
    ])
  })

  it('cuts the line so that the message arrives and the answer does not', () => {
    const { network, socket, real, got, closes } = open()
    network.toggle('cut')
    socket.send(send)
    expect(real.sent).toEqual([send])
    real.receive(receipt())
    expect(got).toEqual([])
    vi.runAllTimers()
    expect(closes).toEqual([1006])
    expect(real.closed).toBe(true)
  })

  it('drops a connection as a lost network does, once', () => {
    const { network, socket, real, got, closes } = open()
    network.drop()
    network.drop()
    real.receive(message(1))
    socket.send(send)
    expect(closes).toEqual([1006])
    expect(got).toEqual([])
    expect(real.sent).toEqual([])
    expect(socket.readyState).toBe(3)
  })

  it('fails sockets and requests while offline, and wakes the client afterwards', async () => {
    const { network, closes } = open()
    const wakes = vi.fn()
    network.lifecycle.watch(wakes)
    network.setOffline(true)
    expect(closes).toEqual([1006])
    expect(network.isOnline()).toBe(false)
    const failed = network.webSocket('ws://test/ws/chat', [])
    const failedCloses: number[] = []
    failed.onclose = ({ code }: { code: number }) => failedCloses.push(code)
    expect(failed.readyState).toBe(0)
    vi.runAllTimers()
    expect(failedCloses).toEqual([1006])
    await expect(network.fetch('/api/im/me')).rejects.toThrow(TypeError)
    expect(wakes).not.toHaveBeenCalled()
    network.setOffline(false)
    expect(wakes).toHaveBeenCalledTimes(1)
    expect((await network.fetch('/api/im/me')).status).toBe(200)
  })

  it('reports requests by path, without what was searched for', async () => {
    const { network, events } = open()
    await network.fetch('http://test/api/im/users?q=secret')
    expect(events).toEqual([{ type: 'fetch', method: 'GET', path: '/api/im/users', status: 200 }])
  })

  it('delays frames in both directions and keeps their order when the delay ends', () => {
    const { network, socket, real, got } = open()
    network.setDelay(300)
    real.receive(message(1))
    socket.send(send)
    network.setDelay(0)
    real.receive(message(2))
    socket.send(ack)
    expect(got).toEqual([])
    expect(real.sent).toEqual([])
    vi.advanceTimersByTime(299)
    expect(got).toEqual([])
    vi.advanceTimersByTime(5)
    expect(got).toEqual([message(1), message(2)])
    expect(real.sent).toEqual([send, ack])
  })

  it('forgets what was on its way when the connection breaks', () => {
    const { network, socket, real, got } = open()
    network.setDelay(300)
    real.receive(message(1))
    socket.send(send)
    network.drop()
    vi.runAllTimers()
    expect(got).toEqual([])
    expect(real.sent).toEqual([])
  })

  it('can be called off before it happens', () => {
    const { network, real, got, types } = open()
    network.toggle('lose-receipt')
    network.toggle('lose-receipt')
    real.receive(receipt())
    expect(got).toEqual([receipt()])
    expect(types()).toEqual(['armed', 'disarmed', 'receipt'])
  })

  it('passes on what the browser says', () => {
    const { network, wakeReal } = open()
    const wakes = vi.fn()
    network.lifecycle.watch(wakes)
    wakeReal()
    expect(wakes).toHaveBeenCalledTimes(1)
  })
})
