import { type Clock, ImError, isImError } from '@innerline/protocol'
import type { ImClientOptions, TokenContext } from '../api/options.js'
import { wordsOf } from '../failure.js'
import { createWaiters, sharing } from '../waiting.js'

const TOKEN_TIMEOUT_MS = 10_000

export interface TokenSource {
  /** Asks for a new token. Calls that overlap share one answer. Rejects with `UNAUTHORIZED` (final) or `TOKEN_FETCH_FAILED`. */
  fetch(reason: TokenContext['reason']): Promise<string>
  /** The token last fetched, or a first one. */
  current(): Promise<string>
  /** Aborts a call under way. */
  abort(): void
}

/** Wraps the host's `getToken`, which may throw, hang or answer nonsense. */
export function createTokenSource(getToken: ImClientOptions['getToken'], clock: Clock): TokenSource {
  let token: string | undefined
  let controller: AbortController | undefined
  let failures = 0

  const fetch = sharing(async (reason: TokenContext['reason']): Promise<string> => {
    const mine = new AbortController()
    controller = mine
    const cancelTimer = clock.after(TOKEN_TIMEOUT_MS, () => mine.abort())
    try {
      const { signal } = mine
      const call = async () => getToken({ reason, attempt: failures, signal })
      const answer = await Promise.race([call(), createWaiters().wait(signal)])
      // The headers of CONNECT are not escaped: a line break in a token would be a header of its own.
      if (typeof answer !== 'string' || /[\r\n]/.test(answer.trim())) throw new Error('no token')
      failures = 0
      token = answer.trim()
      return token
    } catch (cause) {
      if (isImError(cause, 'UNAUTHORIZED')) throw cause
      failures++
      throw new ImError('TOKEN_FETCH_FAILED', { detail: wordsOf(cause), cause })
    } finally {
      cancelTimer()
    }
  })
  return {
    fetch,
    current: async () => token ?? fetch('initial'),
    abort: () => controller?.abort(),
  }
}
