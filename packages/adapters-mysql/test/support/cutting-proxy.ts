import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP proxy before a server that loses what a test wants lost. */
export interface CuttingProxy {
  /** The server's URI with the proxy's port. */
  readonly uri: string
  /**
   * Called with every chunk a client sends. 'cut after' passes it on and cuts the connection before any answer;
   * 'cut before' cuts it without passing it on.
   */
  onSend: (chunk: Buffer) => 'pass' | 'cut after' | 'cut before'
  /** Ends every connection there is, as a server does that is started again. Says how many. */
  cutAll(): number
  close(): Promise<void>
}

export async function cuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    let left = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        if (!left) for (const each of [client, upstream]) each.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      const verdict = proxy.onSend(chunk)
      if (verdict === 'cut before') {
        client.destroy()
        return
      }
      upstream.write(chunk)
      if (verdict === 'cut after') {
        // The server's side stays open: a server that cannot write an answer gives up before the next statement.
        left = true
        client.destroy()
      }
    })
    upstream.on('data', (chunk) => {
      if (!left) client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const uri = new URL(target)
  uri.hostname = '127.0.0.1'
  uri.port = String((server.address() as AddressInfo).port)
  const proxy: CuttingProxy = {
    uri: uri.href,
    onSend: () => 'pass',
    cutAll() {
      const count = sockets.size / 2
      for (const socket of sockets) socket.destroy()
      return count
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
