import { type Clock, ImError, type Problem } from '@innerline/protocol'
import type { RequestOptions } from '../api/client.js'
import type { TokenSource } from '../connection/token-source.js'
import { asImError, errorOf, parseJson } from '../failure.js'
import { present } from '../present.js'
import { onAbort } from '../waiting.js'

export type Request = <T>(method: string, path: string, options?: RequestOptions) => Promise<T>

const REQUEST_TIMEOUT_MS = 15_000

/** Authenticated JSON over `fetch`. A rejected token is renewed and the call repeated, once. */
export function createRequest(base: string, tokens: TokenSource, clock: Clock, fetchOption: typeof fetch | undefined): Request {
  const once = async (method: string, path: string, { body, query, signal }: RequestOptions, token: string): Promise<unknown> => {
    const controller = new AbortController()
    const abort = () => controller.abort()
    const cancelTimer = clock.after(REQUEST_TIMEOUT_MS, abort)
    const off = onAbort(signal, abort)
    try {
      const search = String(new URLSearchParams(present(query ?? {}) as Record<string, string>))
      const json = body === undefined ? undefined : JSON.stringify(body)
      const response = await (fetchOption ?? fetch)(base + path + (search && `?${search}`), {
        method,
        signal: controller.signal,
        headers: present({ authorization: token ? `Bearer ${token}` : undefined, 'content-type': json && 'application/json' }),
        ...present({ body: json }),
      })
      const text = await response.text()
      if (response.ok) return text ? JSON.parse(text) : undefined
      const { status } = response
      // Without a problem document it was a proxy that spoke: its 404 is no word of the service's.
      throw errorOf({ code: status === 401 ? 'UNAUTHORIZED' : 'UNAVAILABLE', title: `HTTP ${status}`, ...parseJson<Problem>(text) })
    } catch (cause) {
      throw signal?.aborted ? new ImError('CANCELLED', { cause }) : asImError(cause, 'UNAVAILABLE')
    } finally {
      cancelTimer()
      off()
    }
  }
  return async <T>(method: string, path: string, options: RequestOptions = {}): Promise<T> => {
    const token = await tokens.current()
    try {
      return (await once(method, path, options, token)) as T
    } catch (error) {
      const { code } = error as ImError
      if (code !== 'TOKEN_EXPIRED' && code !== 'UNAUTHORIZED') throw error
      return (await once(method, path, options, await tokens.fetch('rejected'))) as T
    }
  }
}
