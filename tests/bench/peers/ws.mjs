// The least that one writes with ws: what comes in on /pub goes out to the subscribers of its channel. The channel of a
// subscriber is ?id=cN in its path; of a message, a leading "cN ", or else c0.
//   node ws.mjs PORT [deflate]
import { WebSocketServer } from 'ws'

const port = Number(process.argv[2])
const perMessageDeflate = process.argv[3] === 'deflate' ? { serverNoContextTakeover: true } : false
const channels = new Map()
const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate, backlog: 4096 })

server.on('connection', (socket, request) => {
  const url = new URL(request.url, 'ws://localhost')
  if (url.pathname === '/pub') {
    socket.on('message', (data) => {
      const named = data[0] === 0x63 ? /^c\d+ /.exec(data.toString('latin1', 0, 12)) : null
      const subscribers = channels.get(named ? named[0].trimEnd() : 'c0') ?? []
      for (const subscriber of subscribers) subscriber.send(data, { binary: false })
    })
    return
  }
  const id = url.searchParams.get('id') ?? 'c0'
  if (!channels.has(id)) channels.set(id, new Set())
  channels.get(id).add(socket)
  socket.on('close', () => channels.get(id).delete(socket))
})
