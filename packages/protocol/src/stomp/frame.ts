/** STOMP 1.2 client commands. */
export type ClientCommand =
  | 'CONNECT'
  | 'STOMP'
  | 'SEND'
  | 'SUBSCRIBE'
  | 'UNSUBSCRIBE'
  | 'ACK'
  | 'NACK'
  | 'BEGIN'
  | 'COMMIT'
  | 'ABORT'
  | 'DISCONNECT'

/** STOMP 1.2 server commands. */
export type ServerCommand = 'CONNECTED' | 'MESSAGE' | 'RECEIPT' | 'ERROR'

export type Command = ClientCommand | ServerCommand

/** What a server accepts. */
export const CLIENT_COMMANDS: ReadonlySet<Command> = /* @__PURE__ */ new Set<Command>([
  'CONNECT',
  'STOMP',
  'SEND',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'ACK',
  'NACK',
  'BEGIN',
  'COMMIT',
  'ABORT',
  'DISCONNECT',
])

/** What a client accepts. */
export const SERVER_COMMANDS: ReadonlySet<Command> = /* @__PURE__ */ new Set<Command>(['CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR'])

/** Whether a frame of this command may have a body (STOMP 1.2 "Body"). */
export const mayHaveBody = (command: Command): boolean => command === 'SEND' || command === 'MESSAGE' || command === 'ERROR'

/**
 * Whether the headers of this command are escaped (STOMP 1.2 "Value Encoding"). CONNECT and CONNECTED are not, as 1.0 peers
 * must read them; STOMP is to be handled "in the same manner as a CONNECT frame".
 */
export const isEscaped = (command: Command): boolean => command !== 'CONNECT' && command !== 'CONNECTED' && command !== 'STOMP'

/** One STOMP frame, headers unescaped. Where a header came twice the first one counts (STOMP 1.2 "Repeated Header Entries"). */
export interface Frame {
  readonly command: Command
  readonly headers: ReadonlyMap<string, string>
  /** A view, not a copy: it shares memory with the chunk it came in, unless the frame came in several chunks. */
  readonly body: Uint8Array
}
