import { connect } from 'node:net'

const GREETING_MS = 1_000

/**
 * The version in the first packet of a MySQL-compatible server: protocol 10, then a NUL-terminated string. Undefined when the bytes
 * are no greeting, such as an error packet of a server that has no connection left.
 */
export function parseGreeting(bytes: Buffer): string | undefined {
  if (bytes.length < 6 || bytes[4] !== 10) return undefined
  const end = bytes.indexOf(0, 5)
  if (end < 0) return undefined
  // MariaDB puts this in front for old clients that take a leading 10 for something unknown.
  return bytes.toString('latin1', 5, end).replace(/^5\.5\.5-/, '')
}

/** Asks the server on a local port for its version; undefined while nobody serves there. */
export function greetingOf(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: GREETING_MS })
    const settle = (version: string | undefined): void => {
      socket.destroy()
      resolve(version)
    }
    socket.once('data', (bytes) => settle(parseGreeting(bytes)))
    for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, () => settle(undefined))
  })
}
