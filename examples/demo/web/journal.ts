import type { ImClient } from '@innerline/sdk-client'
import { Cell } from './dom.js'
import type { NetworkEvent, OneShot } from './faults.js'
import { shortId } from './format.js'
import { type TextKey, t } from './i18n.js'
import { connectionText } from './connection-text.js'

export type Tone = 'fault' | 'quiet' | 'plain' | 'good' | 'bad'

export interface JournalEntry {
  readonly id: number
  readonly at: number
  readonly tone: Tone
  /** What it is, for tests. */
  readonly type: string
  /** Made when drawn, so that it follows the language. */
  readonly text: () => string
}

const KEPT = 300

export const FAULT_TEXTS: Readonly<Record<OneShot, TextKey & `fault${string}`>> = {
  cut: 'faultCut',
  'lose-receipt': 'faultLoseReceipt',
  'lose-ack': 'faultLoseAck',
  'lose-message': 'faultLoseMessage',
  duplicate: 'faultDuplicate',
}

/** What one client went through: faults put in, and what the SDK did. Message texts never come here. */
export class Journal {
  readonly entries = new Cell<readonly JournalEntry[]>([])
  #next = 1

  add(type: string, tone: Tone, text: () => string): void {
    const entry = { id: this.#next++, at: Date.now(), tone, type, text }
    this.entries.set([...this.entries.getSnapshot().slice(1 - KEPT), entry])
  }

  clear(): void {
    this.entries.set([])
  }

  /** Notes what the network wrapper reports. */
  readonly network = (event: NetworkEvent): void => {
    const note = (tone: Tone, text: () => string) => this.add(event.type, tone, text)
    switch (event.type) {
      case 'dropped':
        return note('fault', () => t('logDropped'))
      case 'offline':
        return note('fault', () => t('logOffline'))
      case 'online':
        return note('fault', () => t('logOnline'))
      case 'armed':
        return note('fault', () => t('logArmed', t(FAULT_TEXTS[event.fault])))
      case 'disarmed':
        return note('fault', () => t('logDisarmed', t(FAULT_TEXTS[event.fault])))
      case 'delay':
        return note('fault', () => t('logDelay', event.ms))
      case 'lost-receipt':
        return note('fault', () => t('logLostReceipt', shortId(event.msgId)))
      case 'lost-ack':
        return note('fault', () => t('logLostAck'))
      case 'lost-message':
        return note('fault', () => t('logLostMessage', event.at))
      case 'duplicated':
        return note('fault', () => t('logDuplicated', event.at))
      case 'cut':
        return note('fault', () => t('logCut', shortId(event.msgId)))
      case 'socket-open':
        return note('quiet', () => t('logSocketOpen'))
      case 'socket-closed':
        return note('quiet', () => t('logSocketClosed', event.code))
      case 'ack':
        return note('quiet', () => t('logAck'))
      case 'send':
        if (event.attempt === 1) return note('plain', () => t('logSend', shortId(event.msgId)))
        return this.add('send-again', 'good', () => t('logSendAgain', shortId(event.msgId), event.attempt))
      case 'receipt':
        if (!event.duplicate) return note('plain', () => t('logReceipt', shortId(event.msgId), event.seq))
        return this.add('receipt-duplicate', 'good', () => t('logDuplicate', shortId(event.msgId), event.seq))
      case 'fetch':
        return note(event.status === undefined || event.status >= 400 ? 'bad' : 'quiet', () =>
          t('logFetch', `${event.method} ${event.path}`, event.status === undefined ? '✕' : String(event.status)),
        )
    }
  }

  /** Notes what the SDK says; returns the undo. */
  watch(client: ImClient): () => void {
    const undo = [
      client.on('connection', (now, before) => {
        if (now.status !== before.status) {
          const tone = now.status === 'connected' ? 'good' : now.status === 'closed' ? 'bad' : 'plain'
          this.add(`state-${now.status}`, tone, () => t('logState', connectionText(now.status)))
        }
        const { attempt, nextRetryAt } = now
        if (nextRetryAt === undefined || nextRetryAt === before.nextRetryAt) return
        const seconds = (Math.max(0, nextRetryAt - Date.now()) / 1000).toFixed(1)
        this.add('retry', 'plain', () => t('logRetryIn', attempt + 1, seconds))
      }),
      client.on('message', ({ message, origin }) =>
        this.add('message', 'plain', () => t('logArrived', `${message.conversationId}:${message.seq}`, origin)),
      ),
      client.on('sync', ({ conversationId, phase, pulled, complete }) =>
        phase === 'start'
          ? this.add('pull', 'plain', () => t('logPull', conversationId))
          : this.add('pulled', complete ? 'good' : 'plain', () => t('logPulled', pulled, complete)),
      ),
      client.on('sent', ({ message }) => this.add('sent', 'good', () => t('logSettled', shortId(message.msgId), message.seq))),
      client.on('revived', ({ message }) => this.add('revived', 'good', () => t('logRevived', shortId(message.msgId)))),
      client.on('failed', ({ item, error }) => this.add('failed', 'bad', () => t('logFailed', shortId(item.msgId), error.code))),
      client.on('error', (error) => this.add('error', 'bad', () => t('logError', error.code))),
      client.on('kicked', ({ code, reason }) => this.add('kicked', 'bad', () => t('logKicked', code, reason))),
    ]
    return () => {
      for (const off of undo) off()
    }
  }
}
