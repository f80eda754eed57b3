import {
  type ParsedItem,
  type StompFault,
  type StompLimits,
  StompParser,
  type StompParserOptions,
  StompProtocolError,
} from '../../src/index.js'

export const limits: StompLimits = { frameBytes: 4096, headers: 8, headerLineBytes: 128 }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const bytesOf = (text: string): Uint8Array => encoder.encode(text)
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)

/** What a stream turned out to hold, in a form that compares by value. */
export interface Outcome {
  readonly items: readonly unknown[]
  readonly fault: StompFault | undefined
}

const plain = (item: ParsedItem): unknown =>
  item === 'heartbeat' ? item : { command: item.command, headers: [...item.headers], body: [...item.body] }

/** Feeds the chunks to a fresh parser; asserts nothing, reports everything. Errors of another class pass through. */
export function read(chunks: readonly Uint8Array[], options: Partial<StompParserOptions> = {}): Outcome {
  const parser = new StompParser({ limits, ...options })
  const items: unknown[] = []
  for (const chunk of chunks) {
    try {
      items.push(...parser.push(chunk).map(plain))
    } catch (error) {
      if (!(error instanceof StompProtocolError)) throw error
      items.push(...error.before.map(plain))
      return { items, fault: error.kind }
    }
  }
  return { items, fault: undefined }
}

export const readText = (text: string, options: Partial<StompParserOptions> = {}): Outcome => read([bytesOf(text)], options)

/** Cuts `bytes` behind each of the given positions. */
export function cut(bytes: Uint8Array, positions: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(positions.map((position) => position % (bytes.length + 1)))].sort((a, b) => a - b)
  const chunks: Uint8Array[] = []
  let from = 0
  for (const to of [...sorted, bytes.length]) {
    chunks.push(bytes.slice(from, to))
    from = to
  }
  return chunks
}

export const singleBytes = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (byte) => new Uint8Array([byte]))
