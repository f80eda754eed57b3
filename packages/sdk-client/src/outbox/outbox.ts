import { type Clock, HEADERS, type Ids, ImError, isClientMsgId, type SendableBody, SEND_DESTINATIONS } from '@innerline/protocol'
import type { Message, Sending, SendOptions, TimelineItem } from '../api/message.js'
import type { OutboxOptions } from '../api/options.js'
import { pauseMs } from '../delays.js'
import type { Emit } from '../events.js'
import { present } from '../present.js'
import type { ImStore, OutboxRecord } from '../store/store.js'
import { quiet } from '../waiting.js'
import { contentOf, type Entry, entryOf, itemOf, sendBodyOf } from './entry.js'

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
  const inPhase = (phase: Entry['phase']) => all().filter((entry) => entry.phase === phase)
  const itemNow = (entry: Entry) => itemOf(entry, ports.userId())
  const changed = (entry: Entry, change: Partial<Entry> = {}) => {
    Object.assign(entry, { item: undefined }, change)
    ports.changed(entry.record.conversationId)
  }
  const save = (entry: Entry, change: Partial<OutboxRecord> = {}) => {
    entry.record = { ...entry.record, ...change }
    return store.putOutbox(entry.record)
  }
  const still = ({ timer, age }: Entry) => {
    timer.stop()
    age.stop()
  }
  const remove = (entry: Entry) => {
    const { msgId } = entry.record
    still(entry)
    entries.delete(msgId)
    void store.deleteOutbox(msgId)
  }
  const fail = (entry: Entry, error: ImError) => {
    still(entry)
    changed(entry, { phase: 'failed', error })
    void save(entry, { failed: error.code })
    entry.reject?.(error)
    emit('failed', { item: itemNow(entry), error })
    const [oldest, ...others] = inPhase('failed')
    if (oldest && others.length >= maxSize) remove(oldest)
    pump()
  }
  const settle = (entry: Entry, message: Message) => {
    const event = entry.phase === 'failed' ? 'revived' : 'sent'
    remove(entry)
    ports.committed(message)
    // `local` keeps answering after the entry is gone.
    changed(entry, { item: { ...message, own: true, status: 'sent' } })
    entry.resolve?.(message)
    emit(event, { message })
    pump()
  }
  const later = (entry: Entry, error: ImError) => {
    const attempts = entry.attempts + 1
    entry.timer.start(pauseMs(error, attempts, ports.ids), pump)
    changed(entry, { phase: 'queued', error, attempts })
    pump()
  }
  const transmit = async (entry: Entry) => {
    changed(entry, { phase: 'sending', error: undefined })
    // Written down before it is written out: after a crash it must be known that somebody may have it.
    if (!entry.record.written) await save(entry, { written: true })
    const { record } = entry
    if (entry.phase !== 'sending' || entries.get(record.msgId) !== entry) return
    if (!ports.send(SEND_DESTINATIONS.sendMessage, sendBodyOf(record, ports.userId()), record.msgId)) {
      return changed(entry, { phase: 'queued' })
    }
    entry.timer.start(ackTimeoutMs, () => {
      ports.probe()
      later(entry, new ImError('ACK_TIMEOUT'))
    })
  }
  const pump = () => {
    if (!active) return
    const taken = new Set<string>()
    let room = WINDOW - inPhase('sending').length
    for (const entry of all()) {
      const { conversationId } = entry.record
      if (entry.phase === 'failed' || taken.has(conversationId)) continue
      taken.add(conversationId)
      if (entry.phase === 'queued' && !entry.timer.running() && room-- > 0) void transmit(entry)
    }
  }
  const watchAge = (entry: Entry) => {
    const { createdAt, written } = entry.record
    const left = createdAt + (written ? DOUBT_MS : maxAgeMs) - clock.now()
    if (left > 0) entry.age.start(left + 1, () => watchAge(entry))
    else fail(entry, new ImError('EXPIRED', { extra: { outcome: written ? 'unknown' : 'unsent' } }))
  }
  const check = (json: string, msgId: string): ImError | undefined => {
    if (closed) return new ImError('CLIENT_CLOSED')
    if (!isClientMsgId(msgId)) return new ImError('INVALID_REQUEST', { detail: 'msgId is no lower-case UUID v4 or v7' })
    if (entries.has(msgId)) return new ImError('MSG_ID_CONFLICT')
    if (new TextEncoder().encode(json).length > maxBodyBytes) return new ImError('TOO_LARGE')
    return entries.size - inPhase('failed').length >= maxSize ? new ImError('QUEUE_FULL') : undefined
  }
  const cancel = (msgId: string): boolean => {
    const entry = entries.get(msgId)
    if (!entry || (entry.phase !== 'failed' && entry.record.written)) return false
    const error = new ImError('CANCELLED')
    remove(entry)
    entry.reject?.(error)
    changed(entry, { phase: 'failed', error })
    pump()
    return true
  }

  return {
    add(conversationId, body, { msgId = ports.ids.uuid(), replyTo, mentions } = {}) {
      const json = JSON.stringify(body)
      // A copy: what is retried must not change when the caller's object does.
      const record = { msgId, conversationId, body: JSON.parse(json), createdAt: clock.now(), written: false }
      const entry = entryOf({ ...record, ...present({ replyTo, mentions }) }, clock)
      const promise = quiet(new Promise<Message>((resolve, reject) => Object.assign(entry, { resolve, reject })))
      const error = check(json, msgId)
      if (error) {
        Object.assign(entry, { phase: 'failed', error })
        entry.reject?.(error)
      } else {
        entries.set(msgId, entry)
        void save(entry)
        watchAge(entry)
        changed(entry)
        pump()
      }
      return Object.defineProperties(promise, {
        local: { get: () => itemNow(entry) },
        cancel: { value: () => entry.phase === 'queued' && cancel(msgId) },
      }) as Sending
    },
    restore(records) {
      const added = entries
      const restored = records.filter(({ msgId }) => !added.has(msgId)).map((record) => entryOf(record, clock))
      entries = new Map([...restored.map((entry) => [entry.record.msgId, entry] as const), ...added])
      for (const entry of restored) {
        if (entry.phase === 'queued') watchAge(entry)
        changed(entry)
      }
    },
    resume() {
      active = true
      pump()
    },
    pause() {
      active = false
      for (const entry of inPhase('sending')) {
        entry.timer.stop()
        // A lost connection is no fault of the message: it goes first on the next one.
        changed(entry, { phase: 'queued' })
      }
    },
    receipt(msgId, headers) {
      const entry = entries.get(msgId)
      const [seq = 0, ord = 0, timestamp = 0] = [HEADERS.seq, HEADERS.ord, HEADERS.timestamp].map((name) => Number(headers[name]))
      if (entry && seq > 0) settle(entry, { ...contentOf(entry.record, ports.userId()), seq, ord, timestamp })
    },
    refused(msgId, error) {
      const entry = entries.get(msgId)
      if (entry && entry.phase !== 'failed') (error.retry === 'never' ? fail : later)(entry, error)
      return entry !== undefined
    },
    echo(message) {
      const entry = message.kind === 'message' && message.fromUserId === ports.userId() && entries.get(message.msgId)
      if (entry) settle(entry, message)
    },
    cancel,
    retry(msgId) {
      for (const entry of inPhase('failed')) {
        const { failed: _, ...record } = entry.record
        if (msgId !== undefined && record.msgId !== msgId) continue
        entry.record = { ...record, createdAt: clock.now() }
        void save(entry)
        changed(entry, { phase: 'queued', error: undefined, attempts: 0 })
        watchAge(entry)
      }
      pump()
    },
    items: (conversationId) =>
      all()
        .filter(({ record }) => conversationId === undefined || record.conversationId === conversationId)
        .map(itemNow),
    close() {
      active = false
      closed = true
      for (const entry of all()) {
        still(entry)
        if (entry.phase !== 'failed') entry.reject?.(new ImError('CLIENT_CLOSED'))
      }
      entries.clear()
    },
  }
}
