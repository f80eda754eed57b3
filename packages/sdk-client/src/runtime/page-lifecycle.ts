import type { Lifecycle } from '../api/options.js'

interface EventSource {
  addEventListener?(type: string, listener: () => void, options: { readonly signal: AbortSignal }): void
}

/** The page's own signals; outside a page there are none, and nothing is touched before `watch`. */
export const pageLifecycle: Lifecycle = {
  watch(onWake) {
    const page = globalThis as EventSource & { readonly document?: EventSource & { readonly visibilityState?: string } }
    const { document } = page
    const watching = new AbortController()
    const { signal } = watching
    for (const type of ['online', 'pageshow']) page.addEventListener?.(type, () => onWake(), { signal })
    const onVisibility = () => {
      if (document?.visibilityState === 'visible') onWake()
    }
    document?.addEventListener?.('visibilitychange', onVisibility, { signal })
    return () => watching.abort()
  },
}
