// The reference: what one writes on `ws` in an afternoon. It forwards, answers and remembers who read what; it stores nothing,
// checks nothing and loses what it holds when it stops.
import { WebSocketServer } from 'ws'
import { serve } from './control.mjs'

const PING_MS = 20_000

const users = new Map()
const rooms = new Map()

function receive(socket, data) {
  const message = JSON.parse(data)
  if (message.ack !== undefined) {
    socket.acked = message.ack
  } else if (message.room !== undefined) {
    const frame = Buffer.from(JSON.stringify({ from: socket.userId, id: message.id, body: message.body }))
    for (const member of rooms.get(message.room) ?? []) member.send(frame, { binary: false })
    socket.send(JSON.stringify({ ack: message.id }))
  } else if (message.to !== undefined) {
    users.get(message.to)?.send(JSON.stringify({ from: socket.userId, id: message.id, body: message.body }))
    socket.send(JSON.stringify({ ack: message.id }))
  } else if (message.join !== undefined) {
    const members = rooms.get(message.join)
    if (members === undefined) rooms.set(message.join, new Set([socket]))
    else members.add(socket)
    socket.room = message.join
    socket.send(JSON.stringify({ ack: message.id }))
  }
}

function attach(server) {
  const wss = new WebSocketServer({ server, path: '/raw' })
  wss.on('connection', (socket, request) => {
    socket.userId = request.headers['x-user']
    socket.alive = true
    users.set(socket.userId, socket)
    socket.on('message', (data) => receive(socket, data))
    socket.on('pong', () => {
      socket.alive = true
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      users.delete(socket.userId)
      rooms.get(socket.room)?.delete(socket)
    })
    socket.send(JSON.stringify({ hello: socket.userId }))
  })
  // The detection of dead sockets that ws's own README recommends: without it no such server lasts.
  setInterval(() => {
    for (const socket of wss.clients) {
      if (!socket.alive) socket.terminate()
      socket.alive = false
      socket.ping()
    }
  }, PING_MS)
}

await serve({ attach })
