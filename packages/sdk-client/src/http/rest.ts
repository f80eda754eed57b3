import { type Clock, ImError, isImError, type Problem } from '@innerline/protocol'
import type { RequestOptions } from '../api/client.js'
import type { TokenSource } from '../connection/token-source.js'
import { errorOf, parseJson } from '../failure.js'

export type Request = <T>(method: string, path: string, options?: RequestOptions) => Promise<T>

const REQUEST_TIMEOUT_MS = 15_000

/** Authenticated JSON over `fetch`. A rejected token is renewed and the call repeated, once. */
export function createRequest(base: string, tokens: TokenSource, clock: Clock, fetchOption: typeof fetch | undefined): Request {
  const once = async (method: string, path: string, { body, query, signal }: RequestOptions, token: string): Promise<unknown> => {
    const controller = new AbortController()
    const abort = () => controller.abort()
    const cancelTimer = clock.after(REQUEST_TIMEOUT_MS, abort)
    signal?.addEventListener('abort', abort)
    try {
      if (signal?.aborted) abort()
      const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined)
      const search = pairs.length ? `?${new URLSearchParams(pairs as [string, string][])}` : ''
      const response = await (fetchOption ?? fetch)(base + path + search, {
        method,
        signal: controller.signal,
        headers: {
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (response.ok) return text ? JSON.parse(text) : undefined
      const { status } = response
      throw errorOf({
        // A proxy's page instead of a problem document: the status is all there is to go by.
        code:
          status === 401
            ? 'UNAUTHORIZED'
            : status === 404
              ? 'NOT_FOUND'
              : status < 500 && status !== 429
                ? 'INVALID_REQUEST'
                : 'UNAVAILABLE',
        ...parseJson<Problem>(text),
      })
    } catch (cause) {
      if (isImError(cause)) throw cause
      if (signal?.aborted) throw new ImError('CANCELLED', { cause })
      throw new ImError('UNAVAILABLE', { detail: `${method} ${path} failed: ${(cause as Error)?.message}`, cause })
    } finally {
      cancelTimer()
      signal?.removeEventListener('abort', abort)
    }
  }
  return async <T>(method: string, path: string, options: RequestOptions = {}): Promise<T> => {
    const token = await tokens.current()
    try {
      return (await once(method, path, options, token)) as T
    } catch (error) {
      if (!isImError(error, 'TOKEN_EXPIRED') && !isImError(error, 'UNAUTHORIZED')) throw error
      return (await once(method, path, options, await tokens.fetch('rejected'))) as T
    }
  }
}
