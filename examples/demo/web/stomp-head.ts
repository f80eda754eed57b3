/** Command and headers of a STOMP frame. */
export interface StompHead {
  readonly command: string
  readonly headers: ReadonlyMap<string, string>
}

/** Reads as much of a frame as the fault switches look at; undefined for heart-beats. */
export function stompHead(data: unknown): StompHead | undefined {
  const text = frameText(data)
  const [command = '', ...lines] = text.slice(0, Math.max(text.indexOf('\n\n'), 0)).split('\n')
  if (command === '') return undefined
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    // STOMP 1.2 "Repeated Header Entries": the first one counts.
    if (colon > 0 && !headers.has(line.slice(0, colon))) headers.set(line.slice(0, colon), unescaped(line.slice(colon + 1)))
  }
  return { command, headers }
}

/** The msgId in the JSON body of a frame, if there is one. */
export function msgIdOfBody(data: unknown): string | undefined {
  const text = frameText(data)
  const body = text.slice(text.indexOf('\n\n') + 2).replace(/\0[\n\r]*$/, '')
  try {
    const parsed: unknown = JSON.parse(body)
    const msgId = typeof parsed === 'object' && parsed !== null && 'msgId' in parsed ? parsed.msgId : undefined
    return typeof msgId === 'string' ? msgId : undefined
  } catch {
    return undefined
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\\r': '\r', '\\n': '\n', '\\c': ':', '\\\\': '\\' }

/** STOMP 1.2 "Value Encoding". */
const unescaped = (value: string): string => value.replace(/\\[rnc\\]/g, (pair) => ESCAPES[pair] ?? pair)

function frameText(data: unknown): string {
  const text =
    typeof data === 'string' ? data : data instanceof ArrayBuffer || data instanceof Uint8Array ? new TextDecoder().decode(data) : ''
  return text.replaceAll('\r\n', '\n')
}
