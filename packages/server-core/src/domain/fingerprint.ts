import { hash } from 'node:crypto'

/** JSON with keys in code-unit order, so that two spellings of one value are one text. `value` must come from JSON. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const fields = value as Readonly<Record<string, unknown>>
  const parts: string[] = []
  for (const key of Object.keys(fields).sort()) {
    if (fields[key] !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(fields[key])}`)
  }
  return `{${parts.join(',')}}`
}

export interface Fingerprinted {
  readonly kind: string
  readonly conversationId: string
  readonly target?: string | undefined
  readonly body: unknown
  readonly replyTo?: string | undefined
  readonly mentions?: readonly string[] | undefined
}

/**
 * Tells a retry from an id clash: 128 bits over the request as received, before any hook rewrites it, so that a
 * retry matches whatever the hook does the second time. It never changes afterwards.
 */
export function fingerprint({ kind, conversationId, target, body, replyTo, mentions }: Fingerprinted): string {
  const canonical = `["${kind}","${conversationId}",${quoted(target)},${canonicalJson(body)},${quoted(replyTo)},${canonicalJson(mentions ?? null)}]`
  return hash('sha256', canonical, 'hex').slice(0, 32)
}

/** Ids are of alphabets that JSON does not escape. */
const quoted = (id: string | undefined): string => (id === undefined ? 'null' : `"${id}"`)
