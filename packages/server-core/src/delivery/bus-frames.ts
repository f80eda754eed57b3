import { LiveMessage, type LiveBatch } from './live-message.js'

/** A hint on its way to one user's connections: latest of its key wins. */
export interface Hint {
  readonly userId: string
  readonly key: string
  readonly json: string
}

/** Of `epoch`: in another, its seqs may be other entries. */
export type BusFrame = { readonly epoch: number } & (
  | { readonly kind: 'messages'; readonly batch: LiveBatch }
  | { readonly kind: 'hint'; readonly hint: Hint }
)

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Frame of a batch of `epoch`: a JSON line that says what follows, then one line per message, which is its wire JSON. JSON text
 * has no raw line ends, so messages cross nodes without being parsed.
 */
export function encodeBatch(batch: LiveBatch, epoch: number): Uint8Array {
  const head = JSON.stringify({ k: 'm', c: batch.conversationId, v: batch.memberVersion, ch: batch.channels, f: batch.firstSeq, e: epoch })
  let text = head
  for (const message of batch.messages) text += `\n${message.json}`
  return encoder.encode(text)
}

export function encodeHint(hint: Hint, epoch: number): Uint8Array {
  return encoder.encode(`${JSON.stringify({ k: 'h', u: hint.userId, y: hint.key, e: epoch })}\n${hint.json}`)
}

/** Reads a frame; undefined for anything that is not ours, which a shared bus may carry. */
export function decodeFrame(bytes: Uint8Array): BusFrame | undefined {
  try {
    const [head, ...lines] = decoder.decode(bytes).split('\n')
    const fields = JSON.parse(head ?? '') as Readonly<Record<string, unknown>>
    if (fields.k === 'm') return decodeBatch(fields, lines)
    if (fields.k === 'h') return decodeHint(fields, lines)
    return undefined
  } catch {
    return undefined
  }
}

function decodeBatch(fields: Readonly<Record<string, unknown>>, lines: readonly string[]): BusFrame | undefined {
  const { c: conversationId, v: memberVersion, ch: channels, f: firstSeq, e: epoch } = fields
  if (typeof conversationId !== 'string' || !isCount(memberVersion) || !isCount(firstSeq) || !isCount(epoch) || !Array.isArray(channels))
    return undefined
  if (firstSeq === 0 || lines.length === 0) return undefined
  const messages = lines.map((json, i) => new LiveMessage(conversationId, firstSeq + i, json))
  return { kind: 'messages', batch: { conversationId, memberVersion, channels: channels.map(String), firstSeq, messages }, epoch }
}

function decodeHint(fields: Readonly<Record<string, unknown>>, lines: readonly string[]): BusFrame | undefined {
  const { u: userId, y: key, e: epoch } = fields
  const json = lines[0]
  if (typeof userId !== 'string' || typeof key !== 'string' || !isCount(epoch) || json === undefined) return undefined
  return { kind: 'hint', hint: { userId, key, json }, epoch }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
