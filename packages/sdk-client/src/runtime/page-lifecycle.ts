import type { Lifecycle } from '../api/options.js'

interface EventSource {
  addEventListener?(type: string, listener: (event: { readonly type: string }) => void): void
  removeEventListener?(type: string, listener: (event: { readonly type: string }) => void): void
}

/** The page's own signals; outside a page there are none, and nothing is touched before `watch`. */
export const pageLifecycle: Lifecycle = {
  watch(onWake) {
    const page = globalThis as EventSource & { readonly document?: EventSource & { readonly visibilityState?: string } }
    const wake = ({ type }: { readonly type: string }) => {
      if (type !== 'visibilitychange' || page.document?.visibilityState === 'visible') onWake()
    }
    const each = (method: 'addEventListener' | 'removeEventListener') => {
      for (const type of ['online', 'pageshow']) page[method]?.(type, wake)
      page.document?.[method]?.('visibilitychange', wake)
    }
    each('addEventListener')
    return () => each('removeEventListener')
  },
}
