import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { openWithMysql2 } from '../../src/driver.js'

/**
 * What is between a client and the database spreads one connection's statements over two of its own, turn and turn about: as a pooling
 * proxy does that does not see where a transaction begins.
 */
export async function spreadingProxy(target: string): Promise<{ readonly uri: string; close(): Promise<void> }> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer((client) => {
    const first = connect(Number(port), hostname)
    for (const socket of [client, first]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    // The client signs in at the first; the second is signed in to by the proxy, with the same capabilities.
    const second = openWithMysql2({ uri: target }).then((connection) => {
      const { stream } = connection as unknown as { readonly stream: Socket }
      sockets.add(stream)
      stream.removeAllListeners()
      stream.on('error', () => stream.destroy())
      stream.on('data', (chunk) => client.write(chunk))
      return stream
    })
    let commands = 0
    client.on('data', (chunk: Buffer) => {
      const isCommand = chunk[3] === 0
      if (isCommand && ++commands % 2 === 0) void second.then((stream) => stream.write(chunk))
      else first.write(chunk)
    })
    first.on('data', (chunk) => client.write(chunk))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const uri = new URL(target)
  uri.hostname = '127.0.0.1'
  uri.port = String((server.address() as AddressInfo).port)
  return {
    uri: uri.href,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
