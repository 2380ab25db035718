// Rooms of Socket.IO: a client with ?id=ROOM joins it; an event "p" (room, payload) is emitted to the room.
//   node socketio.mjs PORT
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false })

io.on('connection', (socket) => {
  const room = socket.handshake.query.id
  if (room) socket.join(room)
  socket.on('p', (to, payload) => io.to(to).emit('p', payload))
})
http.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })
