import type { UserType } from '@innerline/protocol'
import type { IncomingMessage } from 'node:http'

/** Who a request or a connection speaks for. Identity comes from here alone, never from a payload. */
export interface Principal {
  readonly userId: string
  readonly userType: UserType
  readonly deviceId?: string | undefined
  readonly roles?: readonly string[] | undefined
  /** Epoch ms at which the token ends. */
  readonly expiresAt?: number | undefined
}

export interface AuthContext {
  readonly transport: 'http' | 'ws'
  /** `request`: a REST call. `connect`: STOMP CONNECT. `refresh`: a new token on a live connection. */
  readonly phase: 'request' | 'connect' | 'refresh'
  readonly token?: string | undefined
  /** The HTTP request, or the one that became the WebSocket; with what the host's middleware put on it. */
  readonly req: IncomingMessage
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** The host's own check. Null = not accepted (401); an ImError speaks for itself; any other throw = 503, logged. */
export type Authenticate = (context: AuthContext) => Principal | null | Promise<Principal | null>
