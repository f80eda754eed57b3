import { CLIENT_COMMANDS, type Command, isEscaped, mayHaveBody, SERVER_COMMANDS } from './frame.js'

/** Headers in the order they are to be sent; of repeated ones readers take the first. `content-length` is the serializer's own. */
export type HeaderInput = Iterable<readonly [string, string]> | Readonly<Record<string, string>>

/** A frame's command and headers as bytes, to which a body of `bodyLength` bytes belongs. Made once, used for many sockets. */
export interface FrameHead {
  readonly bytes: Uint8Array
  readonly bodyLength: number
  /** Bytes of the whole frame: head, body and NUL. */
  readonly frameLength: number
}

/** An end of line: what a heart-beat is. Not to be written to. */
export const HEARTBEAT_BYTES: Uint8Array = /* @__PURE__ */ new Uint8Array([10])

const encoder = /* @__PURE__ */ new TextEncoder()
const noBody = /* @__PURE__ */ new Uint8Array(0)
const special = /[\\\r\n:\0]/
const escapable = /[\\\r\n:]/g
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\r': '\\r', '\n': '\\n', ':': '\\c' }

/** `text` as a header value or name of any frame but CONNECT and CONNECTED (STOMP 1.2 "Value Encoding"). */
export const escapeHeader = (text: string): string => (special.test(text) ? encodeText(text, true, false) : text)

const encodeEscapes = (text: string): string => text.replace(escapable, (char) => escapes[char] as string)

function encodeText(text: string, escaped: boolean, isName: boolean): string {
  if (!special.test(text)) return text
  if (text.includes('\0')) throw new TypeError('A STOMP header cannot hold a NUL.')
  if (escaped) return encodeEscapes(text)
  if (text.includes('\r') || text.includes('\n') || (isName && text.includes(':'))) {
    throw new TypeError('A header of CONNECT or CONNECTED cannot hold a line break, its name no colon: they are not escaped.')
  }
  return text
}

function headText(command: Command, headers: HeaderInput, bodyLength: number): string {
  if (!CLIENT_COMMANDS.has(command) && !SERVER_COMMANDS.has(command)) throw new TypeError('This is no STOMP 1.2 command.')
  const hasBody = mayHaveBody(command)
  if (!Number.isSafeInteger(bodyLength) || bodyLength < 0) throw new RangeError('bodyLength must be an integer from 0.')
  if (bodyLength > 0 && !hasBody) throw new TypeError(`${command} frames have no body.`)
  const escaped = isEscaped(command)
  let text = `${command}\n`
  for (const [name, value] of Symbol.iterator in headers ? headers : Object.entries(headers)) {
    if (name === '') throw new TypeError('A STOMP header needs a name.')
    // A second length, or one that does not fit the body, would make the receiver cut the stream in the wrong place.
    if (name === 'content-length') throw new TypeError('content-length is written by the serializer.')
    text += `${encodeText(name, escaped, true)}:${encodeText(value, escaped, false)}\n`
  }
  return hasBody ? `${text}content-length:${bodyLength}\n\n` : `${text}\n`
}

/**
 * Encodes a frame's head for bodies of exactly `bodyLength` bytes. Throws TypeError or RangeError on what would not be a well-formed
 * frame: an unknown command, an empty header name, a NUL in a header, a body where none may be.
 */
export function frameHead(command: Command, headers: HeaderInput, bodyLength: number): FrameHead {
  const bytes = encoder.encode(headText(command, headers, bodyLength))
  return { bytes, bodyLength, frameLength: bytes.length + bodyLength + 1 }
}

/**
 * Writes a whole frame into `target` from `offset` on and returns the offset behind it, so that a WebSocket header can stand before
 * it without a further copy. Throws RangeError when the body is not of the head's length or `target` is too short.
 */
export function writeFrame(head: FrameHead, body: Uint8Array, target: Uint8Array, offset: number): number {
  if (body.length !== head.bodyLength) throw new RangeError(`The head announces ${head.bodyLength} bytes, the body has ${body.length}.`)
  const bodyAt = offset + head.bytes.length
  const end = bodyAt + body.length
  if (end >= target.length) throw new RangeError('The target has no room for the frame.')
  target.set(head.bytes, offset)
  target.set(body, bodyAt)
  target[end] = 0
  return end + 1
}

/** A whole frame in an array of its own. Throws RangeError when the body is not of the head's length. */
export function appendBody(head: FrameHead, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(head.frameLength)
  writeFrame(head, body, frame, 0)
  return frame
}

/**
 * One frame as text, NUL included, for who encodes it elsewhere in one go. `bodyBytes` is the body's length in UTF-8. Throws as
 * {@link frameHead} does.
 */
export const frameText = (command: Command, headers: HeaderInput, body: string, bodyBytes: number): string =>
  `${headText(command, headers, bodyBytes)}${body}\0`

/** Encodes one frame; a string body as UTF-8. Throws as {@link frameHead} does. Lone surrogates become U+FFFD. */
export function serializeFrame(command: Command, headers: HeaderInput, body: Uint8Array | string = noBody): Uint8Array {
  const bytes = typeof body === 'string' ? encoder.encode(body) : body
  return appendBody(frameHead(command, headers, bytes.length), bytes)
}
