import { type Command, isEscaped, mayHaveBody } from './frame.js'
import { StompProtocolError } from './protocol-error.js'

/** A frame's command and headers, before its body is there. */
export interface Head {
  readonly command: Command
  readonly headers: ReadonlyMap<string, string>
  /** Body bytes as declared; undefined when the body ends at the first NUL. */
  readonly contentLength: number | undefined
}

const contentLengthForm = /^\d{1,7}$/
const escapeSequence = /\\[\s\S]?/g
const unescaped: Readonly<Record<string, string>> = { '\\r': '\r', '\\n': '\n', '\\c': ':', '\\\\': '\\' }

function decodeEscapes(text: string): string {
  // One pass: replacing the sequences one after the other turns the escaped form of `C:\new` into a line break.
  return text.replace(escapeSequence, (sequence) => {
    const char = unescaped[sequence]
    if (char === undefined) throw new StompProtocolError('malformed', 'A header holds an undefined escape sequence.')
    return char
  })
}

function contentLengthOf(headers: ReadonlyMap<string, string>): number | undefined {
  const value = headers.get('content-length')
  if (value === undefined) return undefined
  if (!contentLengthForm.test(value)) throw new StompProtocolError('malformed', 'The content-length must be 1 to 7 digits.')
  return Number(value)
}

/**
 * Reads a frame's head: command line and header lines, each ended by LF, without the blank line; no CR and no NUL left in it.
 * Throws {@link StompProtocolError} when it is malformed.
 */
export function parseHead(text: string, commands: ReadonlySet<Command>): Head {
  const commandEnd = text.indexOf('\n')
  const command = text.slice(0, commandEnd) as Command
  if (!commands.has(command)) throw new StompProtocolError('malformed', 'The command is unknown.')
  const escaped = text.includes('\\') && isEscaped(command)
  const headers = new Map<string, string>()
  let at = commandEnd + 1
  for (let line = 1; at < text.length; line++) {
    const end = text.indexOf('\n', at)
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon > end) throw new StompProtocolError('malformed', `Header line ${line} has no colon.`)
    if (colon === at) throw new StompProtocolError('malformed', `Header line ${line} has no name.`)
    let name = text.slice(at, colon)
    // Further colons belong to the value: CONNECT cannot escape them, and many clients never do.
    let value = text.slice(colon + 1, end)
    if (escaped) {
      name = decodeEscapes(name)
      value = decodeEscapes(value)
    }
    if (!headers.has(name)) headers.set(name, value)
    at = end + 1
  }
  const contentLength = contentLengthOf(headers)
  if (contentLength !== undefined && contentLength > 0 && !mayHaveBody(command)) {
    throw new StompProtocolError('malformed', `${command} frames have no body.`)
  }
  return { command, headers, contentLength }
}
