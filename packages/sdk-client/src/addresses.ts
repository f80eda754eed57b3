import { ImError, WS_PATHS } from '@innerline/protocol'
import type { ImClientOptions } from './api/options.js'

/** Where REST and WebSocket are. The second is asked at connect, as `location` need not exist before. */
export function addresses({ url, endpoint = 'chat' }: ImClientOptions): { readonly http: string; readonly ws: () => string } {
  if (typeof url !== 'string') return { http: url.http.replace(/\/$/, ''), ws: () => url.ws }
  const http = url.replace(/\/$/, '')
  return {
    http,
    ws() {
      const { location } = globalThis as { location?: { readonly href: string } }
      try {
        const full = new URL(http + WS_PATHS[endpoint], location?.href)
        full.protocol = full.protocol.replace('http', 'ws')
        return full.href
      } catch (cause) {
        throw new ImError('UNSUPPORTED', { detail: 'outside a page, url must be complete: https://host/prefix', cause })
      }
    },
  }
}
