import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'

export const heartbeatCases: readonly ConformanceCase[] = [
  {
    id: 'heart-beats/offer',
    title: 'CONNECTED names two intervals, or has no heart-beat header (Heart-beating)',
    run: async (conversation) => {
      const { connected } = await conversation.connected({ heartBeat: '10000,10000' })
      const offer = connected.headers.get('heart-beat')
      if (offer !== undefined) assert.match(offer, /^\d+,\d+$/)
    },
  },
  {
    id: 'heart-beats/from-client',
    title: 'line ends between frames, LF and CRLF, one and many, are heart-beats and change nothing',
    run: async (conversation) => {
      const connection = await conversation.connect({ heartBeat: '10000,0' })
      for (const beat of ['\n', '\r\n', '\n\n\n', '\r\n\n\r\n']) connection.send(beat)
      connection.send(Buffer.from('\n'))
      await conversation.alive(connection)
    },
  },
  {
    id: 'heart-beats/split-crlf',
    title: 'a CRLF cut in two by WebSocket messages is one line end',
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send('\r')
      connection.send('\n')
      await conversation.alive(connection)
    },
  },
  {
    id: 'heart-beats/from-server',
    title: 'the server sends something as often as was negotiated',
    slow: true,
    run: async (conversation) => {
      const { connection, connected } = await conversation.connected({ heartBeat: '0,1000' })
      const canSend = Number(connected.headers.get('heart-beat')?.split(',')[0] ?? 0)
      if (canSend === 0) return
      const interval = Math.max(canSend, 1_000)
      for (let beat = 0; beat < 2; beat++) await connection.takeBeat(interval * 1.5)
    },
  },
  {
    id: 'heart-beats/none-wanted',
    title: 'the server sends no heart-beats to a client that wants none',
    slow: true,
    run: async (conversation) => {
      const { connection, connected } = await conversation.connected({ heartBeat: '0,0' })
      const canSend = Number(connected.headers.get('heart-beat')?.split(',')[0] ?? 0)
      await assert.rejects(connection.takeBeat(Math.max(canSend, 1_000) * 1.5))
      await conversation.alive(connection)
    },
  },
  {
    id: 'heart-beats/lost',
    title: 'a client that promised heart-beats and is silent, pings included, is closed in the documented time',
    slow: true,
    applies: (profile) => profile.silenceMs !== undefined,
    run: async (conversation) => {
      const silenceMs = conversation.profile.silenceMs ?? 0
      const { connection, connected } = await conversation.connected({ heartBeat: '1000,0', pongs: false })
      const wanted = Number(connected.headers.get('heart-beat')?.split(',')[1] ?? 0)
      if (wanted === 0) return
      await connection.takeClose(silenceMs * 1.5 + 1_000)
    },
  },
]
