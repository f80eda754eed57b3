/** Version of the wire contract in PROTOCOL.md. Additions keep it; a change an old peer cannot ignore raises it. */
export const PROTOCOL_VERSION = 1

/** WebSocket subprotocol for STOMP 1.2, as registered for STOMP over WebSocket. */
export const STOMP_SUBPROTOCOL = 'v12.stomp'

/** The one STOMP version spoken. */
export const STOMP_VERSION = '1.2'
