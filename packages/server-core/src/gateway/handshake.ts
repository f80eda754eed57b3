import type { IncomingMessage } from 'node:http'

/** What the HTTP upgrade left for CONNECT. */
export interface Handshake {
  readonly endpoint: 'chat' | 'agent'
  readonly req: IncomingMessage
  readonly hasOrigin: boolean
  readonly queryToken: string | undefined
}
