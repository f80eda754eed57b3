// socket.io as its documentation has it: a room for each user, acknowledgements on emits. Only the transport is fixed.
import { Server } from 'socket.io'
import { serve } from './control.mjs'

function attach(server) {
  const io = new Server(server, { transports: ['websocket'] })
  io.on('connection', (socket) => {
    const { userId } = socket.handshake.auth
    socket.join(`user:${userId}`)
    socket.on('send', ({ to, room, id, body }, answer) => {
      io.to(room === undefined ? `user:${to}` : `room:${room}`).emit('message', { from: userId, id, body })
      answer({ id })
    })
    socket.on('ack', (id) => {
      socket.data.acked = id
    })
    socket.on('join', (room, answer) => {
      socket.join(`room:${room}`)
      answer({ room })
    })
  })
}

await serve({ attach })
