import { type ChatMessage, ERROR_TABLE, type ErrorCode, HEADERS, ImError } from '@innerline/protocol'
import { expect } from 'vitest'
import { createOutbox, type OutboxQueue } from '../../src/outbox/outbox.js'
import { memoryStore, type ImStore, type OutboxRecord, type Sending } from '../../src/index.js'
import { seededIds, settle, VirtualClock } from './virtual-time.js'

const DAY_MS = 86_400_000

/** One call of `send`, and all that is known of it from outside. */
export interface Call {
  readonly msgId: string
  readonly conversationId: string
  readonly text: string
  readonly at: number
  readonly sending: Sending
  readonly run: number
  /** Times it was written to a socket. */
  written: number
  outcome?: 'resolved' | ErrorCode
  /** The outbox has said once that it is over, and it was not committed. */
  failed: boolean
  /** When it was last put into the queue: by its call, or by a retry. */
  queuedAt: number
  cancelled: boolean
  revived: boolean
}

/** A frame that a server has and may deal with at any time, whatever became of its connection. */
export interface Attempt {
  readonly call: Call
  readonly connection: number
  readonly receipt: string
}

/** An outbox between an app, a disk and a server, all of which are slow and forget. The rules are checked as things happen. */
export class OutboxWorld {
  readonly clock = new VirtualClock()
  readonly ids = seededIds(3)
  readonly disk = memoryStore()
  readonly calls: Call[] = []
  readonly log = new Map<string, string[]>()
  attempts: Attempt[] = []
  /** Answers that were final, and reached the app. */
  readonly refused = new Set<string>()
  connection = 0
  connected = false
  outbox!: OutboxQueue
  /** What was wrong where it could not be thrown. */
  private readonly faults: unknown[] = []
  private run = 0
  private writes: (() => void)[] = []

  /** A run of the app begins with what the disk has; the one before is gone between two steps. */
  async start(kept = 0, early = false): Promise<void> {
    this.flush(kept)
    this.writes = []
    this.connected = false
    const run = ++this.run
    const store: ImStore = {
      ...this.disk,
      putOutbox: (record) => this.write(run, () => this.disk.putOutbox(record)),
      deleteOutbox: (msgId) => this.write(run, () => this.disk.deleteOutbox(msgId)),
    }
    const clock = { ...this.clock, after: (ms: number, fn: () => void) => this.clock.after(ms, () => run === this.run && fn()) }
    clock.now = this.clock.now
    this.outbox = createOutbox(
      {},
      {
        clock,
        ids: this.ids,
        store,
        emit: (event, ...args) => {
          if (run !== this.run) return
          if (event === 'failed') this.callOf((args[0] as { item: { msgId: string } }).item.msgId).failed = true
          if (event === 'revived') this.callOf((args[0] as { message: { msgId: string } }).message.msgId).revived = true
        },
        userId: () => 'alice',
        send: (_, body, receipt) => run === this.run && this.take(body as { msgId: string; body: { text: string } }, receipt),
        probe: () => {},
        changed: () => {},
        committed: () => {},
      },
    )
    // Written before it is known what was left.
    if (early) this.send('d~alice~u0')
    const left = await this.disk.outbox()
    // Who takes a message back and dies before the disk has heard of it has not taken it back, and was not told so.
    for (const { msgId } of left) {
      const call = this.callOf(msgId)
      expect(call.outcome).not.toBe('CANCELLED')
      call.cancelled = false
    }
    this.outbox.restore(left)
    await settle()
  }

  private write(run: number, apply: () => Promise<void>): Promise<void> {
    if (run !== this.run) return new Promise(() => {})
    return new Promise((resolve) => this.writes.push(() => apply().then(resolve)))
  }
  /** The disk does the oldest `count` of what it was asked for. */
  flush(count: number): void {
    for (const write of this.writes.splice(0, count)) write()
  }

  callOf(msgId: string): Call {
    return this.calls.find((call) => call.msgId === msgId) as Call
  }
  entries(conversationId: string): string[] {
    const entries = this.log.get(conversationId) ?? []
    this.log.set(conversationId, entries)
    return entries
  }

  send(conversationId: string): void {
    const text = String(this.calls.length)
    const sending = this.outbox.add(conversationId, { type: 'text', text })
    const { msgId } = sending.local
    const at = this.clock.now()
    const call: Call = { msgId, conversationId, text, at, sending, run: this.run, queuedAt: at, written: 0, ...NEW }
    this.calls.push(call)
    const settled = (outcome: 'resolved' | ErrorCode) => {
      expect(call.outcome).toBeUndefined()
      call.outcome = outcome
      this.judge(call, outcome)
    }
    sending
      .then(
        ({ seq }) => {
          expect(this.entries(conversationId)[seq - 1]).toBe(msgId)
          settled('resolved')
        },
        (error: ImError) => settled(error.code),
      )
      .catch((error: unknown) => this.faults.push(error))
  }

  private judge(call: Call, outcome: string): void {
    if (outcome === 'CANCELLED') expect(call.written).toBe(0)
    else if (outcome === 'EXPIRED') {
      const waited = this.clock.now() - call.queuedAt
      expect(waited).toBeGreaterThan((call.written ? 7 : 1) * DAY_MS)
      expect(call.sending.local.error?.extra).toEqual({ outcome: call.written ? 'unknown' : 'unsent' })
    } else if (outcome !== 'resolved') expect(this.refused.has(call.msgId)).toBe(true)
  }

  /** A socket takes a frame: the moment at which most can be wrong. */
  private take(body: { msgId: string; body: { text: string } }, receipt: string): boolean {
    if (!this.connected) return false
    const call = this.callOf(body.msgId)
    try {
      this.checkTurn(call, body, receipt)
    } catch (error) {
      this.faults.push(error)
    }
    call.written++
    this.attempts.push({ call, connection: this.connection, receipt })
    return true
  }
  private checkTurn(call: Call, body: { body: { text: string } }, receipt: string): void {
    // Every attempt is the first one again.
    expect([receipt, body.body.text, call.cancelled]).toEqual([call.msgId, call.text, false])
    for (const other of this.calls) {
      if (other.conversationId !== call.conversationId || other === call || !this.isOpen(other)) continue
      // Nobody overtakes, and nobody is on the way already. What was retried may find a later one on its way.
      if (!other.failed) expect(this.calls.indexOf(other)).toBeGreaterThan(this.calls.indexOf(call))
      expect(this.statusOf(other)).not.toBe('sending')
    }
  }
  statusOf({ msgId }: Call): string | undefined {
    return this.outbox.items().find((item) => item.msgId === msgId)?.status
  }
  private isOpen(call: Call): boolean {
    const status = this.statusOf(call)
    return status !== undefined && status !== 'failed'
  }

  connect(): void {
    if (this.connected) return
    this.connected = true
    this.connection++
    this.outbox.resume()
  }
  disconnect(): void {
    this.connected = false
    this.outbox.pause()
  }

  /** The server commits, if it has not yet; the app hears of it by receipt, by echo, or not at all. */
  commit(attempt: Attempt, heard: 'receipt' | 'echo' | 'nothing'): void {
    const { call, connection, receipt } = attempt
    this.drop(attempt)
    const entries = this.entries(call.conversationId)
    if (!entries.includes(call.msgId)) entries.push(call.msgId)
    if (heard === 'echo') this.echo(call)
    if (heard !== 'receipt' || !this.connected || connection !== this.connection) return
    const seq = String(entries.indexOf(call.msgId) + 1)
    this.outbox.receipt(receipt, { [HEADERS.seq]: seq, [HEADERS.ord]: seq, [HEADERS.timestamp]: '1' })
  }
  echo(call: Call): void {
    const seq = this.entries(call.conversationId).indexOf(call.msgId) + 1
    if (!this.connected || seq === 0) return
    const { msgId, conversationId, text } = call
    const message = { msgId, conversationId, seq, ord: seq, timestamp: 1, fromUserId: 'alice', chatType: 'direct', kind: 'message' }
    this.outbox.echo({ ...message, body: { type: 'text', text } } as ChatMessage)
    // Whatever was said of it before.
    expect(this.statusOf(call)).toBeUndefined()
  }
  /** Refused after a look-up, so never what is committed. */
  refuse(attempt: Attempt, code: ErrorCode): void {
    const { call, connection, receipt } = attempt
    this.drop(attempt)
    if (this.entries(call.conversationId).includes(call.msgId) || !this.connected || connection !== this.connection) return
    if (ERROR_TABLE[code].retry === 'never') this.refused.add(call.msgId)
    this.outbox.refused(receipt, new ImError(code))
  }
  drop(attempt: Attempt): void {
    this.attempts = this.attempts.filter((other) => other !== attempt)
  }

  cancel(call: Call, byOutbox: boolean): void {
    const status = this.statusOf(call)
    const done = byOutbox || call.run !== this.run ? this.outbox.cancel(call.msgId) : call.sending.cancel()
    if (!done) return
    // A failed one may be forgotten; else nothing that anybody may have is taken back.
    if (status !== 'failed') {
      expect(call.written).toBe(0)
      call.cancelled = true
    }
  }
  retry(call: Call | undefined): void {
    for (const one of call ? [call] : this.calls) {
      if (this.statusOf(one) === 'failed') Object.assign(one, { queuedAt: this.clock.now() })
    }
    this.outbox.retry(call?.msgId)
  }

  /** What holds between any two steps. */
  async check(): Promise<void> {
    await settle()
    for (const fault of this.faults) throw fault
    // What any socket took the disk knows of, whatever it is told meanwhile.
    const records = await this.disk.outbox()
    for (const call of this.calls) {
      const record = records.find(({ msgId }) => msgId === call.msgId)
      if (call.written > 0 && this.isOpen(call)) expect([call.msgId, record?.written]).toEqual([call.msgId, true])
    }
    const items = this.outbox.items()
    const under = items.filter(({ status }) => status === 'sending')
    expect(under.length).toBeLessThanOrEqual(8)
    expect(new Set(under.map(({ conversationId }) => conversationId)).size).toBe(under.length)
    for (const { msgId, status } of under) expect([this.callOf(msgId).written > 0, status]).toEqual([true, 'sending'])
    for (const entries of this.log.values()) expect(new Set(entries).size).toBe(entries.length)
  }

  /** The disk keeps up and the server answers everything, until nothing is left to do. */
  async heal(): Promise<void> {
    for (let round = 0; round < 400; round++) {
      this.flush(100)
      this.connect()
      await settle()
      for (const attempt of this.attempts) this.commit(attempt, 'receipt')
      const open = this.outbox.items().some(({ status }) => status !== 'failed')
      if (!open && this.writes.length === 0) break
      await this.clock.advance(30_000)
    }
    await this.check()
    const left: readonly OutboxRecord[] = await this.disk.outbox()
    expect(this.outbox.items().map(({ msgId, status }) => [msgId, status])).toEqual(left.map(({ msgId }) => [msgId, 'failed']))
    for (const call of this.calls) {
      const committed = this.entries(call.conversationId).includes(call.msgId)
      if (call.run === this.run) expect(call.outcome).toBeDefined()
      if (call.cancelled) expect(committed).toBe(false)
      // What was ever with the server and is not known to have failed is in the log, over all crashes.
      if (call.written > 0 && !call.failed) expect(committed).toBe(true)
    }
    for (const [conversationId, entries] of this.log) {
      const order = this.calls.filter((call) => call.conversationId === conversationId && !call.failed && entries.includes(call.msgId))
      expect(entries.filter((msgId) => !this.callOf(msgId).failed)).toEqual(order.map(({ msgId }) => msgId))
    }
  }
}

const NEW = { failed: false, cancelled: false, revived: false }
