import type { IncomingMessage } from 'node:http'

/** Pages that may open a socket: those of the same host, or exactly these origins (scheme, host and port), or the host's own judgement. */
export type OriginRule = 'same-host' | readonly string[] | ((origin: string) => boolean)

/**
 * Whether the request's Origin may connect. No Origin is no browser; then only a token in CONNECT counts. Matching
 * is exact: a suffix match lets `evil-example.com` in. Throws what the host's function throws.
 */
export function isAllowedOrigin(req: IncomingMessage, rule: OriginRule): boolean {
  const { origin, host } = req.headers
  if (origin === undefined) return true
  // Only `true` lets in: a promise is no answer, and a host's function may throw on `null` or anything else a client sends.
  if (typeof rule === 'function') return rule(origin) === true
  if (rule !== 'same-host') return rule.includes(origin)
  try {
    return new URL(origin).host === host?.toLowerCase()
  } catch {
    return false
  }
}
