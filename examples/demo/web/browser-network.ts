import type { RealNetwork } from './faults.js'

/** The browser's own network, as the fault switches wrap it. */
export const browserNetwork: RealNetwork = {
  webSocket: (url, protocols) => new WebSocket(url, protocols) as unknown as ReturnType<RealNetwork['webSocket']>,
  fetch: (input, init) => fetch(input, init),
  isOnline: () => navigator.onLine,
  watch(onWake) {
    const visible = () => {
      if (document.visibilityState === 'visible') onWake()
    }
    window.addEventListener('online', onWake)
    window.addEventListener('pageshow', onWake)
    document.addEventListener('visibilitychange', visible)
    return () => {
      window.removeEventListener('online', onWake)
      window.removeEventListener('pageshow', onWake)
      document.removeEventListener('visibilitychange', visible)
    }
  },
}
