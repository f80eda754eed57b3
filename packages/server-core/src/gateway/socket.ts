/** What the gateway needs of a socket. The WebSocket library is behind it; so is the simulator's wire. */
export interface GatewaySocket {
  /** Turns a STOMP frame into the bytes that carry it, once for every socket of this kind that gets the same. */
  prepare(frame: string, binary: boolean): Uint8Array
  /** Hands prepared frames over in one write. Ignored when the socket has ended. */
  write(frames: readonly Uint8Array[]): void
  /** Bytes handed over that the peer's side has not taken yet. */
  readonly bufferedBytes: number
  /** Stops and continues reading; frames already on their way in may still arrive. */
  pause(): void
  resume(): void
  /** WebSocket ping; a browser answers by itself, in a throttled tab too. */
  ping(): void
  /** Calls `fn` once when everything handed over has been taken. */
  onceDrained(fn: () => void): void
  /** Closes after what was handed over; ends by force when the peer does not answer. */
  close(code: number, reason: string): void
  /** Ends now; what is buffered is lost. */
  terminate(): void
}

/** What a socket tells its connection. Set once, before the first call. */
export interface SocketListener {
  onMessage(bytes: Uint8Array, binary: boolean): void
  onPong(): void
  /** The peer broke the WebSocket protocol or its limits; the socket is about to be closed with what this returns. */
  onViolation(tooLarge: boolean): { readonly code: number; readonly reason: string }
  /** The last call. */
  onClose(code: number, reason: string): void
}
