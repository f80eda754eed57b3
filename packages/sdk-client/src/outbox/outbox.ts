import {
  type Clock,
  HEADERS,
  type Ids,
  ImError,
  isClientMsgId,
  isErrorCode,
  type SendableBody,
  SEND_DESTINATIONS,
} from '@innerline/protocol'
import type { Message, Sending, SendOptions, TimelineItem } from '../api/message.js'
import type { OutboxOptions } from '../api/options.js'
import { backoff, draw } from '../delays.js'
import type { Emit } from '../events.js'
import type { ImStore, OutboxRecord } from '../store/store.js'
import { type Entry, entryOf, itemOf, messageOf, sendBodyOf } from './entry.js'

const WINDOW = 8
const DAY_MS = 86_400_000
/** Past the server's shortest retention a retry could be committed twice, so doubt is not resolved by sending again any more. */
const DOUBT_MS = 7 * DAY_MS

export interface OutboxPorts {
  readonly clock: Clock
  readonly ids: Ids
  readonly store: ImStore
  readonly emit: Emit
  userId(): string
  send(destination: string, body: object, receipt: string): boolean
  /** The server did not answer: is it still there? */
  probe(): void
  /** What is shown of a conversation's own messages changed. */
  changed(conversationId: string): void
  /** A message is committed; its entry in the log may still be on its way. */
  committed(message: Message): void
}

export interface OutboxQueue {
  add(conversationId: string, body: SendableBody, options?: SendOptions): Sending
  /** Takes up what an earlier run left, ahead of what was added since. */
  restore(records: readonly OutboxRecord[]): void
  resume(): void
  pause(): void
  receipt(msgId: string, headers: Readonly<Record<string, string>>): void
  refused(msgId: string, error: ImError): boolean
  /** An own entry was seen in the log. */
  echo(message: Message): void
  cancel(msgId: string): boolean
  retry(msgId?: string): void
  items(conversationId?: string): TimelineItem[]
  close(): void
}

/** Own messages in the order of the calls: one in flight per conversation, 8 over all, the same msgId on every try. */
export function createOutbox(options: OutboxOptions, ports: OutboxPorts): OutboxQueue {
  const { maxSize = 500, maxAgeMs = DAY_MS, ackTimeoutMs = 10_000, maxBodyBytes = 48 * 1024 } = options
  const { clock, store, emit } = ports
  let entries = new Map<string, Entry>()
  let active = false
  let closed = false

  const all = () => [...entries.values()]
  const changed = (entry: Entry, change: Partial<Entry>) => {
    Object.assign(entry, change, { item: undefined })
    ports.changed(entry.record.conversationId)
  }
  const save = (entry: Entry, change: Partial<OutboxRecord>) => {
    entry.record = { ...entry.record, ...change }
    return store.putOutbox(entry.record)
  }
  const remove = (entry: Entry) => {
    entry.cancelTimer()
    entry.cancelAge()
    entries.delete(entry.record.msgId)
    void store.deleteOutbox(entry.record.msgId)
  }
  const fail = (entry: Entry, error: ImError) => {
    entry.cancelTimer()
    entry.cancelAge()
    changed(entry, { phase: 'failed', error })
    void save(entry, { failed: error.code })
    entry.reject(error)
    emit('failed', { item: itemOf(entry, ports.userId()), error })
    const failed = all().filter(({ phase }) => phase === 'failed')
    if (failed.length > maxSize) remove(failed[0]!)
    pump()
  }
  const settle = (entry: Entry, message: Message) => {
    const late = entry.phase === 'failed'
    remove(entry)
    ports.committed(message)
    changed(entry, { item: undefined })
    // `local` keeps answering after the entry is gone.
    entry.item = { ...message, own: true, status: 'sent' }
    entry.resolve(message)
    emit(late ? 'revived' : 'sent', { message })
    pump()
  }
  const later = (entry: Entry, error: ImError) => {
    entry.cancelTimer()
    const attempts = entry.attempts + 1
    const delayMs = error.retryAfterMs ?? draw(backoff(attempts), ports.ids)
    entry.cancelTimer = clock.after(delayMs, () => {
      entry.blocked = false
      pump()
    })
    changed(entry, { phase: 'queued', error, attempts, blocked: true })
    pump()
  }
  const transmit = async (entry: Entry) => {
    changed(entry, { phase: 'sending', error: undefined })
    // Written down before it is written out: after a crash it must be known that somebody may have it.
    if (!entry.record.written) await save(entry, { written: true })
    if (entry.phase !== 'sending' || entries.get(entry.record.msgId) !== entry) return
    if (!ports.send(SEND_DESTINATIONS.sendMessage, sendBodyOf(entry.record, ports.userId()), entry.record.msgId)) {
      return changed(entry, { phase: 'queued' })
    }
    entry.cancelTimer = clock.after(ackTimeoutMs, () => {
      ports.probe()
      later(entry, new ImError('ACK_TIMEOUT'))
    })
  }
  const pump = () => {
    if (!active) return
    const taken = new Set<string>()
    let inFlight = all().filter(({ phase }) => phase === 'sending').length
    for (const entry of all()) {
      const { conversationId } = entry.record
      if (entry.phase === 'failed' || taken.has(conversationId)) continue
      taken.add(conversationId)
      if (entry.phase !== 'queued' || entry.blocked || inFlight >= WINDOW) continue
      inFlight++
      void transmit(entry)
    }
  }
  const watchAge = (entry: Entry) => {
    const { createdAt, written } = entry.record
    const left = createdAt + (written ? DOUBT_MS : maxAgeMs) - clock.now()
    if (left > 0) entry.cancelAge = clock.after(left + 1, () => watchAge(entry))
    else fail(entry, new ImError('EXPIRED', { extra: { outcome: written ? 'unknown' : 'unsent' } }))
  }
  const check = (json: string, msgId: string): ImError | undefined => {
    if (closed) return new ImError('CLIENT_CLOSED')
    if (!isClientMsgId(msgId)) return new ImError('INVALID_REQUEST', { detail: 'msgId must be a lower-case UUID v4 or v7' })
    if (entries.has(msgId)) return new ImError('MSG_ID_CONFLICT', { detail: 'this msgId is in the outbox' })
    if (new TextEncoder().encode(json).length > maxBodyBytes) return new ImError('TOO_LARGE')
    if (all().filter(({ phase }) => phase !== 'failed').length >= maxSize) return new ImError('QUEUE_FULL')
    return undefined
  }

  return {
    add(conversationId, body, { msgId = ports.ids.uuid(), replyTo, mentions } = {}) {
      const json = JSON.stringify(body)
      const entry = entryOf({
        msgId,
        conversationId,
        // A copy: what is retried must not change when the caller's object does.
        body: JSON.parse(json),
        ...(replyTo === undefined ? {} : { replyTo }),
        ...(mentions === undefined ? {} : { mentions }),
        createdAt: clock.now(),
        written: false,
      })
      const promise = new Promise<Message>((resolve, reject) => Object.assign(entry, { resolve, reject }))
      // An ignored failure must not end a Node process; it is in the outbox and in the event.
      promise.catch(() => {})
      const error = check(json, msgId)
      if (error) {
        Object.assign(entry, { phase: 'failed', error })
        entry.reject(error)
      } else {
        entries.set(msgId, entry)
        void store.putOutbox(entry.record)
        watchAge(entry)
        changed(entry, {})
        pump()
      }
      return Object.defineProperties(promise, {
        local: { get: () => entry.item ?? itemOf(entry, ports.userId()) },
        cancel: { value: () => entry.phase === 'queued' && cancel(msgId) },
      }) as Sending
    },
    restore(records) {
      const added = entries
      entries = new Map()
      for (const record of records) {
        const entry = entryOf(record)
        entries.set(record.msgId, entry)
        const { failed } = record
        if (failed !== undefined) Object.assign(entry, { phase: 'failed', error: new ImError(isErrorCode(failed) ? failed : 'REJECTED') })
      }
      for (const [msgId, entry] of added) entries.set(msgId, entry)
      for (const record of records) {
        const entry = entries.get(record.msgId)
        if (entry?.record !== record) continue
        if (entry.phase === 'queued') watchAge(entry)
        ports.changed(record.conversationId)
      }
    },
    resume() {
      active = true
      pump()
    },
    pause() {
      active = false
      for (const entry of all()) {
        if (entry.phase !== 'sending') continue
        entry.cancelTimer()
        // A lost connection is no fault of the message: it goes first on the next one.
        changed(entry, { phase: 'queued' })
      }
    },
    receipt(msgId, headers) {
      const entry = entries.get(msgId)
      const number = (name: string) => Number(headers[name])
      if (!entry || !(number(HEADERS.seq) > 0)) return
      settle(entry, messageOf(entry.record, ports.userId(), number(HEADERS.seq), number(HEADERS.ord), number(HEADERS.timestamp)))
    },
    refused(msgId, error) {
      const entry = entries.get(msgId)
      if (!entry) return false
      if (entry.phase === 'failed') return true
      if (error.retry === 'never') fail(entry, error)
      else later(entry, error)
      return true
    },
    echo(message) {
      const entry = message.kind === 'message' && message.fromUserId === ports.userId() && entries.get(message.msgId)
      if (entry) settle(entry, message)
    },
    cancel,
    retry(msgId) {
      for (const entry of all()) {
        if (entry.phase !== 'failed' || (msgId !== undefined && entry.record.msgId !== msgId)) continue
        const { failed: _, ...record } = entry.record
        entry.record = { ...record, createdAt: clock.now() }
        void store.putOutbox(entry.record)
        changed(entry, { phase: 'queued', error: undefined, attempts: 0, blocked: false })
        watchAge(entry)
      }
      pump()
    },
    items: (conversationId) =>
      all()
        .filter(({ record }) => conversationId === undefined || record.conversationId === conversationId)
        .map((entry) => itemOf(entry, ports.userId())),
    close() {
      active = false
      closed = true
      for (const entry of all()) {
        entry.cancelTimer()
        entry.cancelAge()
        if (entry.phase !== 'failed') entry.reject(new ImError('CLIENT_CLOSED'))
      }
      entries.clear()
    },
  }

  function cancel(msgId: string): boolean {
    const entry = entries.get(msgId)
    if (!entry || (entry.phase !== 'failed' && entry.record.written)) return false
    remove(entry)
    entry.reject(new ImError('CANCELLED'))
    changed(entry, { phase: 'failed', error: new ImError('CANCELLED') })
    pump()
    return true
  }
}
