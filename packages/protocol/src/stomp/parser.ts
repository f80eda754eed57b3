import { CLIENT_COMMANDS, type Command, type Frame, mayHaveBody, SERVER_COMMANDS } from './frame.js'
import { type Head, parseHead } from './head.js'
import { StompProtocolError } from './protocol-error.js'

/** What a parser refuses to read beyond. */
export interface StompLimits {
  /** One frame, from the first byte of its command to its NUL. Also what a parser keeps at most between two chunks. */
  readonly frameBytes: number
  /** Header lines of one frame, repeated ones included. */
  readonly headers: number
  /** One header line without its line end. */
  readonly headerLineBytes: number
}

export interface StompParserOptions {
  readonly limits: StompLimits
  /** Accepted commands: `CLIENT_COMMANDS` on a server, `SERVER_COMMANDS` on a client. All by default. */
  readonly commands?: ReadonlySet<Command>
}

/** A frame, or an end of line between frames, which is a heart-beat. */
export type ParsedItem = Frame | 'heartbeat'

const NUL = 0
const LF = 10
const CR = 13
const INCOMPLETE = -1
/** `UNSUBSCRIBE` and `DISCONNECT` are shorter than this, the line's CR included. */
const LONGEST_COMMAND_LINE = 12

const noBody = /* @__PURE__ */ new Uint8Array(0)
// A byte order mark is content like any other: swallowing it would accept a command that is not one.
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const view = (bytes: Uint8Array, from: number, to: number): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from)

const malformed = (message: string): StompProtocolError => new StompProtocolError('malformed', message)
const tooLarge = (message: string): StompProtocolError => new StompProtocolError('too-large', message)

/**
 * Strict, incremental STOMP 1.2 parser over bytes, for one direction of one connection. How the bytes are cut into chunks changes
 * neither the items nor the fault. Heads are scanned byte by byte (lines are too short to pay for a call of `indexOf`), decoded once and
 * cut as strings; bodies are views.
 */
export class StompParser {
  #limits: StompLimits
  readonly #commands: ReadonlySet<Command>
  #fault: StompProtocolError | undefined

  /** Bytes of an unfinished item, from its first one on; the array may be longer than `#kept`. */
  #buffer: Uint8Array = noBody
  #kept = 0

  // Progress in the unfinished frame, as offsets from its start, so that no byte is looked at twice however small the chunks are.
  #scanned = 0
  #lineStart = 0
  #lines = 0
  #hasCr = false
  #head: Head | undefined
  #bodyScanned = 0

  constructor(options: StompParserOptions) {
    this.#limits = options.limits
    this.#commands = options.commands ?? new Set([...CLIENT_COMMANDS, ...SERVER_COMMANDS])
  }

  /** Bytes held between two chunks; at most `limits.frameBytes`. */
  get retainedBytes(): number {
    return this.#buffer.length
  }

  /** Replaces the limits, once the peer has authenticated. An unfinished frame is measured by the new ones from here on. */
  setLimits(limits: StompLimits): void {
    this.#limits = limits
  }

  /**
   * Reads `chunk` and returns what is complete now, in order. Bodies are views on `chunk`, which must not be written to afterwards.
   * Throws {@link StompProtocolError}, with the items that came before the fault in `before`; from then on every call throws.
   */
  push(chunk: Uint8Array): ParsedItem[] {
    if (this.#fault !== undefined) throw new StompProtocolError(this.#fault.kind, `The stream has failed before: ${this.#fault.message}`)
    const items: ParsedItem[] = []
    try {
      const resumed = this.#kept > 0
      const length = this.#kept + chunk.length
      const bytes = resumed ? this.#append(chunk) : chunk
      let at = 0
      while (at < length) {
        const next = this.#readItem(bytes, at, length, items)
        if (next === INCOMPLETE) break
        at = next
      }
      this.#retain(bytes, at, length, resumed)
      return items
    } catch (error) {
      if (!(error instanceof StompProtocolError)) throw error
      this.#buffer = noBody
      this.#kept = 0
      this.#head = undefined
      this.#fault = error
      throw new StompProtocolError(error.kind, error.message, items)
    }
  }

  #readItem(bytes: Uint8Array, at: number, length: number, items: ParsedItem[]): number {
    const first = bytes[at]
    if (first === LF) {
      items.push('heartbeat')
      return at + 1
    }
    if (first === CR) {
      if (at + 1 === length) return INCOMPLETE
      if (bytes[at + 1] !== LF) throw malformed('A carriage return without a line feed stands between frames.')
      items.push('heartbeat')
      return at + 2
    }
    if (this.#head === undefined) {
      if (!this.#scanHead(bytes, at, length)) return INCOMPLETE
      this.#head = this.#decodeHead(bytes, at)
    }
    const head = this.#head
    const bodyStart = at + this.#scanned
    const bodyEnd = this.#findBodyEnd(bytes, at, bodyStart, length, head)
    if (bodyEnd === INCOMPLETE) return INCOMPLETE
    const body = bodyEnd === bodyStart ? noBody : view(bytes, bodyStart, bodyEnd)
    items.push({ command: head.command, headers: head.headers, body })
    this.#startItem()
    return bodyEnd + 1
  }

  #startItem(): void {
    this.#scanned = 0
    this.#lineStart = 0
    this.#lines = 0
    this.#hasCr = false
    this.#head = undefined
    this.#bodyScanned = 0
  }

  /** Goes on to the end of the head; true when it is there, `#scanned` then being the body's offset. */
  #scanHead(bytes: Uint8Array, start: number, length: number): boolean {
    const { frameBytes } = this.#limits
    const stop = Math.min(length, start + frameBytes)
    let lineStart = start + this.#lineStart
    let at = start + this.#scanned
    for (; at < stop; at++) {
      const byte = bytes[at] as number
      if (byte > CR) continue
      if (byte === LF) {
        const end = at > lineStart && bytes[at - 1] === CR ? at - 1 : at
        if (end === lineStart) {
          this.#scanned = at + 1 - start
          return true
        }
        this.#checkLine(end - lineStart)
        this.#lines++
        lineStart = at + 1
      } else if (byte === CR) {
        this.#hasCr = true
        if (at + 1 === stop) break
        if (bytes[at + 1] === LF) continue
        this.#checkLine(at - lineStart)
        throw malformed('A header holds a bare carriage return.')
      } else if (byte === NUL) {
        this.#checkLine(at - lineStart)
        throw malformed('The frame ends before the blank line that ends its headers.')
      }
    }
    this.#scanned = at - start
    this.#lineStart = lineStart - start
    // A line that has no end yet is measured too. A CR may be its last byte, and one byte over the limit is then no fault yet.
    if (at - 1 > lineStart) this.#checkLine(at - 1 - lineStart)
    if (length - start >= frameBytes) throw tooLarge(`The frame is over ${frameBytes} bytes.`)
    return false
  }

  #checkLine(lineBytes: number): void {
    const { headers, headerLineBytes } = this.#limits
    if (this.#lines === 0) {
      if (lineBytes > LONGEST_COMMAND_LINE) throw malformed('The command is unknown.')
      return
    }
    if (this.#lines > headers) throw tooLarge(`The frame has more than ${headers} headers.`)
    if (lineBytes > headerLineBytes) throw tooLarge(`Header line ${this.#lines} is over ${headerLineBytes} bytes.`)
  }

  #decodeHead(bytes: Uint8Array, start: number): Head {
    const blankLine = bytes[start + this.#scanned - 2] === CR ? 2 : 1
    let text: string
    try {
      text = decoder.decode(view(bytes, start, start + this.#scanned - blankLine))
    } catch {
      throw malformed('The headers are not UTF-8.')
    }
    return parseHead(this.#hasCr ? text.replaceAll('\r', '') : text, this.#commands)
  }

  #findBodyEnd(bytes: Uint8Array, start: number, bodyStart: number, length: number, head: Head): number {
    const { frameBytes } = this.#limits
    if (head.contentLength !== undefined) {
      const end = bodyStart + head.contentLength
      if (end + 1 - start > frameBytes) throw tooLarge(`The frame is over ${frameBytes} bytes.`)
      if (end >= length) return INCOMPLETE
      if (bytes[end] !== NUL) throw malformed('No NUL follows the body of content-length bytes.')
      return end
    }
    if (!mayHaveBody(head.command)) {
      if (bodyStart + 1 - start > frameBytes) throw tooLarge(`The frame is over ${frameBytes} bytes.`)
      if (bodyStart === length) return INCOMPLETE
      if (bytes[bodyStart] !== NUL) throw malformed(`${head.command} frames have no body.`)
      return bodyStart
    }
    // The array may be longer than what it holds: a NUL beyond `length` is none.
    const nul = bytes.indexOf(NUL, Math.max(bodyStart, start + this.#bodyScanned))
    const end = nul >= 0 && nul < length ? nul : length
    if (end + 1 - start > frameBytes) throw tooLarge(`The frame is over ${frameBytes} bytes.`)
    this.#bodyScanned = end - start
    return end === length ? INCOMPLETE : end
  }

  /** Joins `chunk` to what is kept. The array grows by doubling: a peer that sends single bytes must not cost a copy for each. */
  #append(chunk: Uint8Array): Uint8Array {
    const needed = this.#kept + chunk.length
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(2 * this.#buffer.length, this.#limits.frameBytes)))
      grown.set(view(this.#buffer, 0, this.#kept))
      this.#buffer = grown
    }
    this.#buffer.set(chunk, this.#kept)
    return this.#buffer
  }

  #retain(bytes: Uint8Array, at: number, length: number, resumed: boolean): void {
    if (at === length) this.#buffer = noBody
    // Copied, never kept as a view: bodies handed out share `bytes`, and a large chunk must not live on for its last few bytes.
    else if (at > 0 || !resumed) this.#buffer = view(bytes, at, length).slice()
    this.#kept = length - at
  }
}
