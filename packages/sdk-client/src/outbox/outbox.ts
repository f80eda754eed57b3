import { type Clock, HEADERS, type Ids, ImError, isClientMsgId, type SendableBody, SEND_DESTINATIONS } from '@innerline/protocol'
import type { Message, Sending, SendOptions, TimelineItem } from '../api/message.js'
import type { OutboxOptions } from '../api/options.js'
import { pauseMs } from '../delays.js'
import type { Emit } from '../events.js'
import { present } from '../present.js'
import type { ImStore, OutboxRecord } from '../store/store.js'
import { quiet } from '../waiting.js'
import { contentOf, type Entry, entryOf, itemOf, recordOf, sendBodyOf } from './entry.js'
import { type EntryEvent, type EntryState, type Phase, step } from './lifecycle.js'

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
  /** Takes up what an earlier run left, or another window that has ended, ahead of what was added here. */
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
  /** What an earlier run left is here: until then nothing is stored, or it could be overwritten. */
  let restored = false
  let active = false
  let closed = false

  const all = () => [...entries.values()]
  const inPhase = (phase: Phase) => all().filter(({ state }) => state.phase === phase)
  const itemNow = (entry: Entry) => itemOf(entry, ports.userId())
  const save = async (entry: Entry) => {
    if (restored) await store.putOutbox(recordOf(entry))
  }
  /** The next one whose turn it is: the oldest open one of a conversation that has none on its way. */
  const due = (): Entry | undefined => {
    if (!active) return
    const under = [...inPhase('noting'), ...inPhase('sending')]
    if (under.length >= WINDOW) return
    const waiting = new Set(under.map(({ record }) => record.conversationId))
    return all().find(({ record: { conversationId }, state: { phase } }) => {
      if (phase === 'failed' || waiting.has(conversationId)) return false
      waiting.add(conversationId)
      return phase === 'queued'
    })
  }
  const pump = () => {
    for (let entry = due(); entry; entry = due()) move(entry, { type: 'turn' })
  }
  /** What each phase begins with. */
  const enter = (entry: Entry, before: EntryState, event: EntryEvent): Promise<unknown> | undefined => {
    const { record, timer, state } = entry
    const { msgId } = record
    switch (state.phase) {
      case 'queued':
        if (before.phase !== 'failed') return
        entry.record = { ...record, createdAt: clock.now() }
        watchAge(entry)
        return save(entry)
      case 'noting':
        // Not of an earlier attempt, behind which the store may have been told otherwise since.
        return save(entry).then(() => entry.state === state && move(entry, { type: 'noted' }))
      case 'sending':
        if (!ports.send(SEND_DESTINATIONS.sendMessage, sendBodyOf(record, ports.userId()), msgId)) {
          active = false
          move(entry, { type: 'lost' })
          return
        }
        timer.start(ackTimeoutMs, () => {
          ports.probe()
          move(entry, { type: 'refused', error: new ImError('ACK_TIMEOUT') })
        })
        return
      case 'resting':
        timer.start(pauseMs(state.error, state.attempts, ports.ids), () => move(entry, { type: 'rested' }))
        return
      case 'failed':
        entry.age.stop()
        return save(entry)
      case 'gone':
        entry.age.stop()
        entries.delete(msgId)
        if (event.type === 'committed') {
          // `local` keeps answering after the entry is gone.
          entry.item = { ...event.message, own: true, status: 'sent' }
          ports.committed(event.message)
        }
        return store.deleteOutbox(msgId)
    }
  }
  /** How it ended, once everything that can be looked up shows it. */
  const announce = (entry: Entry, before: EntryState, event: EntryEvent, stored: Promise<unknown> | undefined) => {
    const { phase, error } = entry.state
    if (event.type === 'committed') {
      entry.resolve?.(event.message)
      emit(before.phase === 'failed' ? 'revived' : 'sent', { message: event.message })
    } else if (error && (phase === 'failed' || phase === 'gone')) {
      // What was taken back is so once the store knows: an app that ends before would send it after all when it comes again.
      if (phase === 'gone') return void stored?.then(() => entry.reject?.(error))
      entry.reject?.(error)
      emit('failed', { item: itemNow(entry), error })
      const [oldest, ...others] = inPhase('failed')
      if (oldest && others.length >= maxSize) move(oldest, { type: 'cancel' })
    }
  }
  /** Carries out what an event makes of an entry; false when that is nothing. */
  const move = (entry: Entry, event: EntryEvent): boolean => {
    const before = entry.state
    const after = step(before, event)
    if (after === before) return false
    entry.timer.stop()
    entry.state = after
    entry.item = undefined
    const stored = enter(entry, before, event)
    ports.changed(entry.record.conversationId)
    announce(entry, before, event, stored)
    pump()
    return true
  }
  const watchAge = (entry: Entry) => {
    const left = entry.record.createdAt + (entry.state.written ? DOUBT_MS : maxAgeMs) - clock.now()
    if (left > 0) entry.age.start(left + 1, () => watchAge(entry))
    else move(entry, { type: 'aged' })
  }
  /** Ends what does not get into the queue. */
  const reject = (entry: Entry, error: ImError) => {
    entry.age.stop()
    entry.state = { ...entry.state, phase: 'failed', error }
    entry.item = undefined
    entry.reject?.(error)
  }
  const check = (json: string, msgId: string): ImError | undefined => {
    if (closed) return new ImError('CLIENT_CLOSED')
    if (!isClientMsgId(msgId)) return new ImError('INVALID_REQUEST', { detail: 'msgId is no UUID v4 or v7' })
    if (entries.has(msgId)) return new ImError('MSG_ID_CONFLICT')
    if (new TextEncoder().encode(json).length > maxBodyBytes) return new ImError('TOO_LARGE')
    return entries.size - inPhase('failed').length >= maxSize ? new ImError('QUEUE_FULL') : undefined
  }
  return {
    add(conversationId, body, { msgId = ports.ids.uuid(), replyTo, mentions } = {}) {
      const json = JSON.stringify(body)
      // A copy: what is retried must not change when the caller's object does.
      const record = { msgId, conversationId, body: JSON.parse(json), createdAt: clock.now(), written: false }
      const entry = entryOf({ ...record, ...present({ replyTo, mentions }) }, clock)
      const promise = quiet(new Promise<Message>((resolve, reject) => Object.assign(entry, { resolve, reject })))
      const error = check(json, msgId)
      if (error) reject(entry, error)
      else {
        entries.set(msgId, entry)
        void save(entry)
        watchAge(entry)
        ports.changed(conversationId)
        pump()
      }
      return Object.defineProperties(promise, {
        local: { get: () => itemNow(entry) },
        cancel: { value: () => entry.state.phase !== 'failed' && move(entry, { type: 'cancel' }) },
      }) as Sending
    },
    restore(records) {
      const added = entries
      entries = new Map(records.map((record) => [record.msgId, entryOf(record, clock)]))
      const left = all()
      for (const [msgId, entry] of added) {
        if (entries.has(msgId)) reject(entry, new ImError('MSG_ID_CONFLICT'))
        else entries.set(msgId, entry)
      }
      restored = true
      for (const entry of all()) void save(entry)
      for (const entry of left) {
        if (entry.state.phase !== 'failed') watchAge(entry)
        ports.changed(entry.record.conversationId)
      }
      pump()
    },
    resume() {
      active = true
      pump()
    },
    pause() {
      active = false
      for (const entry of all()) move(entry, { type: 'lost' })
    },
    receipt(msgId, headers) {
      const entry = entries.get(msgId)
      const [seq = 0, ord = 0, timestamp = 0] = [HEADERS.seq, HEADERS.ord, HEADERS.timestamp].map((name) => Number(headers[name]))
      if (entry && seq > 0) move(entry, { type: 'committed', message: { ...contentOf(entry.record, ports.userId()), seq, ord, timestamp } })
    },
    refused(msgId, error) {
      const entry = entries.get(msgId)
      if (entry) move(entry, { type: 'refused', error })
      return entry !== undefined
    },
    echo(message) {
      const entry = message.kind === 'message' && message.fromUserId === ports.userId() && entries.get(message.msgId)
      if (entry) move(entry, { type: 'committed', message })
    },
    cancel(msgId) {
      const entry = entries.get(msgId)
      return entry !== undefined && move(entry, { type: 'cancel' })
    },
    retry(msgId) {
      for (const entry of all()) if (msgId === undefined || entry.record.msgId === msgId) move(entry, { type: 'retry' })
    },
    items: (conversationId) =>
      all()
        .filter(({ record }) => conversationId === undefined || record.conversationId === conversationId)
        .map(itemNow),
    close() {
      active = false
      closed = true
      for (const entry of all()) {
        entry.timer.stop()
        entry.age.stop()
        if (entry.state.phase !== 'failed') entry.reject?.(new ImError('CLIENT_CLOSED'))
        entry.state = { ...entry.state, phase: 'gone' }
      }
      entries.clear()
    },
  }
}
