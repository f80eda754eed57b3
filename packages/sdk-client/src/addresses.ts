import { ImError, WS_PATHS } from '@innerline/protocol'
import type { ImClientOptions } from './api/options.js'

/** Where REST and WebSocket are. The second is asked at connect, as `location` need not exist before. */
export function addresses({ url, endpoint = 'chat' }: ImClientOptions): { readonly http: string; readonly ws: () => string } {
  const http = (typeof url === 'string' ? url : url.http).replace(/\/$/, '')
  return {
    http,
    ws() {
      if (typeof url !== 'string') return url.ws
      const { location } = globalThis as { location?: { readonly href: string } }
      try {
        return new URL(http + WS_PATHS[endpoint], location?.href).href.replace('http', 'ws')
      } catch (cause) {
        throw new ImError('UNSUPPORTED', { detail: 'url must be complete: https://host/prefix', cause })
      }
    },
  }
}
