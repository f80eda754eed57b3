import type { ConnectionSnapshot, ConnectionStatus } from '@innerline/sdk-client'
import { t } from './i18n.js'

/** What the chip shows: the SDK's status, and `offline` where the machine has no network. */
export type ChipState = ConnectionStatus | 'offline'

export function chipState(connection: ConnectionSnapshot, online: boolean): ChipState {
  const trying = connection.status === 'connecting' || connection.status === 'reconnecting'
  return trying && !online ? 'offline' : connection.status
}

/** What keeps messages from going out, or new ones from being read. */
export type Hindrance = 'closed' | 'offline' | 'storage' | 'lost'

/** What the banner speaks of, if anything; `storageWaits`: the server is reached and cannot store or read at the moment. */
export function hindranceOf(connection: ConnectionSnapshot, online: boolean, storageWaits: boolean): Hindrance | undefined {
  const state = chipState(connection, online)
  if (state === 'closed' || state === 'offline') return state
  if (state === 'connected') return storageWaits ? 'storage' : undefined
  if (!connection.lost) return undefined
  // An attempt that the server has refused so did reach it.
  return connection.error?.code === 'UNAVAILABLE' ? 'storage' : 'lost'
}

/** The state in words; `remainingMs` is the time until the next attempt, where one is scheduled. */
export function connectionText(state: ChipState, remainingMs?: number): string {
  switch (state) {
    case 'idle':
      return t('stateIdle')
    case 'connecting':
      return t('stateConnecting')
    case 'connected':
      return t('stateConnected')
    case 'offline':
      return t('stateOffline')
    case 'closed':
      return t('stateClosed')
    case 'reconnecting': {
      const seconds = Math.ceil((remainingMs ?? 0) / 1000)
      return seconds > 0 ? t('stateReconnectingIn', seconds) : t('stateReconnecting')
    }
  }
}
