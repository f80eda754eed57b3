import type { Lifecycle } from '../api/options.js'

interface EventSource {
  addEventListener?(type: string, listener: () => void): void
  removeEventListener?(type: string, listener: () => void): void
}

/** The page's own signals; outside a page there are none, and nothing is touched before `watch`. */
export const pageLifecycle: Lifecycle = {
  watch(onWake) {
    const page = globalThis as EventSource & { readonly document?: EventSource & { readonly visibilityState?: string } }
    const onVisibility = () => {
      if (page.document?.visibilityState === 'visible') onWake()
    }
    const pairs: [EventSource | undefined, string, () => void][] = [
      [page, 'online', onWake],
      [page, 'pageshow', onWake],
      [page.document, 'visibilitychange', onVisibility],
    ]
    for (const [target, type, listener] of pairs) target?.addEventListener?.(type, listener)
    return () => {
      for (const [target, type, listener] of pairs) target?.removeEventListener?.(type, listener)
    }
  },
}
