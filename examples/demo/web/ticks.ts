import type { MessageStatus } from '@innerline/sdk-client'
import type { IconName } from './icons.js'
import type { TextKey } from './i18n.js'

export interface Tick {
  readonly icon: IconName
  /** Shown in the colour that means read. */
  readonly read: boolean
  /** What a screen reader says. */
  readonly label: TextKey
}

const TICKS: Readonly<Record<MessageStatus, Tick>> = {
  queued: { icon: 'clock', read: false, label: 'statusQueued' },
  sending: { icon: 'clock', read: false, label: 'statusSending' },
  sent: { icon: 'tick', read: false, label: 'statusSent' },
  delivered: { icon: 'ticks', read: false, label: 'statusDelivered' },
  read: { icon: 'ticks', read: true, label: 'statusRead' },
  failed: { icon: 'alert', read: false, label: 'statusFailed' },
}

/** How the state of an own message is drawn; undefined for others' messages, which have none. */
export const tickOf = (status: MessageStatus | undefined): Tick | undefined => (status === undefined ? undefined : TICKS[status])
