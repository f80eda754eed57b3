import { describe, expect, it } from 'vitest'
import { type Link, openLink, type Welcome } from '../src/connection/link.js'
import type { Ending } from '../src/failure.js'
import { FakeSocket } from './support/fake-socket.js'
import { settle, VirtualClock } from './support/virtual-time.js'

interface Opened {
  readonly clock: VirtualClock
  readonly socket: FakeSocket
  readonly link: Link
  /** What the client wrote, as text. */
  readonly written: string[]
  readonly told: (Welcome | Ending | string)[]
}

const connected = (heartBeat: string) => `CONNECTED\nversion:1.2\nheart-beat:${heartBeat}\nuser-name:alice\nsession:c\nepoch:1\n\n\0`

async function opened(heartBeat = '10000,10000'): Promise<Opened> {
  const clock = new VirtualClock()
  const written: string[] = []
  const told: Opened['told'] = []
  const socket = new FakeSocket(
    'ws://server.test',
    [],
    (text) => written.push(text),
    () => {},
  )
  const link = openLink(
    { socket, token: 't', deviceId: undefined, clock },
    {
      opened: (welcome) => told.push(welcome),
      message: (queue, body) => told.push(`${queue} ${JSON.stringify(body)}`),
      receipt: (id) => told.push(`receipt ${id}`),
      gone: (ending) => told.push(ending),
    },
  )
  socket.accept()
  await settle()
  socket.server.push(connected(heartBeat))
  socket.server.push('RECEIPT\nreceipt-id:m\n\n\0')
  await settle()
  return { clock, socket, link, written, told }
}
const beats = ({ written }: Opened) => written.filter((text) => text === '\n').length

describe('a link', () => {
  it('beats every ten seconds, by the clock it was given', async () => {
    const all = await opened('0,10000')
    await all.clock.advance(35_000)
    expect(beats(all)).toBe(3)
    expect(all.told).toHaveLength(1)
  })

  it('neither beats nor listens where the server wants none', async () => {
    const all = await opened('0,0')
    await all.clock.advance(300_000)
    expect(beats(all)).toBe(0)
    expect(all.told).toHaveLength(1)
  })

  it('takes a server that falls silent as gone, and no sooner', async () => {
    const all = await opened('10000,0')
    for (let i = 0; i < 5; i++) {
      await all.clock.advance(19_000)
      all.socket.server.push('\n')
    }
    await settle()
    expect(all.told).toHaveLength(1)
    await all.clock.advance(36_000)
    expect(all.told[1]).toMatchObject({ type: 'lost', error: { code: 'ACK_TIMEOUT' } })
    expect([all.socket.readyState >= 2, all.clock.pending]).toEqual([true, 0])
  })

  it('expects a slow server no more often than it offers', async () => {
    const all = await opened('60000,0')
    await all.clock.advance(140_000)
    expect(all.told).toHaveLength(1)
    await all.clock.advance(30_000)
    expect(all.told).toHaveLength(2)
  })

  it('sends nothing before CONNECTED and after the end', async () => {
    const clock = new VirtualClock()
    const socket = new FakeSocket(
      '',
      [],
      () => {},
      () => {},
    )
    const nothing = { opened: () => {}, message: () => {}, receipt: () => {}, gone: () => {} }
    const early = openLink({ socket, token: '', deviceId: undefined, clock }, nothing)
    socket.accept()
    await settle()
    expect(early.send('/app/chat.typing', {})).toBe(false)

    const { link, written } = await opened()
    expect(link.send('/app/chat.typing', { conversationId: 'x' }, 'r')).toBe(true)
    link.end()
    expect(link.send('/app/chat.typing', {})).toBe(false)
    await settle()
    expect(written.at(-2)).toBe('SEND\ndestination:/app/chat.typing\ncontent-type:application/json\nreceipt:r\n\n{"conversationId":"x"}\0')
    expect(written.at(-1)).toMatch(/^DISCONNECT\n/)
  })

  it('takes the answers that come before the receipt of its DISCONNECT, then closes', async () => {
    const { link, socket, told, clock } = await opened()
    link.end()
    socket.server.push('RECEIPT\nreceipt-id:ack-1\n\n\0')
    socket.server.push('RECEIPT\nreceipt-id:DISCONNECT\n\n\0')
    await settle()
    expect(told.slice(1)).toEqual(['receipt ack-1', expect.objectContaining({ type: 'lost' })])
    expect(clock.pending).toBe(0)
  })

  it('does not wait for the receipt of its DISCONNECT for ever', async () => {
    const { link, socket, told, clock } = await opened()
    socket.server.freeze()
    link.end()
    await clock.advance(2_000)
    expect(told).toHaveLength(2)
    expect(clock.pending).toBe(0)
  })

  it('ends a socket without a handshake where the runtime can, as a dead peer answers none', async () => {
    const { link, socket, told } = await opened()
    const calls: string[] = []
    Object.assign(socket, { terminate: () => calls.push('terminate'), close: () => calls.push('close') })
    link.discard()
    link.discard()
    socket.onclose?.({ code: 1006 } as never)
    socket.onmessage?.({ data: 'RECEIPT\nreceipt-id:late\n\n\0' } as never)
    expect(calls).toEqual(['terminate'])
    expect(told).toHaveLength(1)
  })

  it('reads binary messages, frames cut in two, and frames that come together', async () => {
    const { socket, told } = await opened()
    const bytes = new TextEncoder().encode('RECEIPT\nreceipt-id:a\n\n\0\nRECEIPT\nreceipt-id:b')
    socket.onmessage?.({ data: bytes.buffer } as never)
    socket.onmessage?.({ data: '\n\n\0MESSAGE\nsubscription:s\ncontent-length:8\n\n{"a":"' } as never)
    socket.onmessage?.({ data: '"}\0' } as never)
    expect(told.slice(1)).toEqual(['receipt a', 'receipt b', '/user/queue/session {"a":""}'])
  })

  it('welcomes once', async () => {
    const { socket, told } = await opened()
    socket.server.push(connected('0,0'))
    await settle()
    expect(told).toHaveLength(1)
  })
})
