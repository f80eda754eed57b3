import type { ChatMessage } from '@innerline/protocol'
import { expect } from 'vitest'
import { createImClient, type ImClient, type ImStore, memoryStore } from '../../src/index.js'
import { type Connection, FakeServer, type Received } from './fake-server.js'
import { seededIds, settle, VirtualClock } from './virtual-time.js'

export const DIRECT = 'd~alice~bob'

interface Era {
  readonly log: ChatMessage[]
  /** Seqs that were told to some run of the app, and those that a run died with before it could. */
  readonly told: Set<number>
  /** Everything below was gone at some time. */
  gone: number
}

/** One run of an app, until it is killed between two steps: from then on nothing it is given or asks for gets through. */
interface Run {
  readonly im: ImClient
  alive: boolean
  /** How often it has the conversation open. */
  opens: number
  /** The newest epoch that it has said to have moved to. */
  epoch: number
  /** Rows that the store has taken as new, and the app is to be told next. */
  owed: ChatMessage[]
}

/**
 * One device of alice: a store that lasts, runs of an app on it (two windows at most), and a server that loses frames and answers, says no where it
 * means later, and is restored from a backup. What the store takes and the app is told is held against the log as it happens.
 */
export class DeviceWorld {
  readonly clock = new VirtualClock()
  readonly server = new FakeServer()
  readonly storage = memoryStore()
  readonly eras: Era[] = []
  runs: Run[] = []
  readonly sent = new Map<string, 'open' | 'resolved' | 'rejected'>()
  readonly faults: unknown[] = []
  /** Answers to the next reads. */
  readonly answers: (() => Response)[] = []
  /** How long the disk takes for each call. */
  diskMs = 0
  loseEcho = false
  loseReceipt = false
  private readonly epochs = new WeakMap<Connection, number>()
  private number = 0

  constructor() {
    const { server } = this
    this.eras.push(newEra(server.log(DIRECT)))
    // A node gives out nothing of a new epoch before its summary.
    server.fanOut = (connection, { fromUserId }) => this.epochOf(connection) === server.epoch && !(fromUserId === 'alice' && this.loseEcho)
    server.onRequest = (_, path) => (path.endsWith('/summary') ? undefined : this.answers.shift()?.())
    server.onSend = (connection, frame) => this.guard(() => this.inspect(connection, frame)) ?? 'default'
  }

  get era(): Era {
    return this.eras[this.server.epoch - 1] as Era
  }
  private epochOf(connection: Connection): number {
    const known = this.epochs.get(connection) ?? this.server.epoch
    this.epochs.set(connection, known)
    return known
  }
  private guard<T>(fn: () => T): T | undefined {
    try {
      return fn()
    } catch (error) {
      this.faults.push(error)
      return undefined
    }
  }

  private inspect(connection: Connection, { headers, body }: Received): 'default' | 'ignore' {
    const { destination, receipt = '' } = headers
    if (destination === '/app/chat.ack') {
      const { epoch, acks } = JSON.parse(body) as { epoch: number; acks: { deliveredSeq?: number; readSeq?: number }[] }
      if (epoch !== this.server.epoch) {
        connection.refuse(receipt, 'EPOCH_CHANGED')
        return 'ignore'
      }
      // Never ahead of what the device holds, in this log.
      for (const { deliveredSeq = 0, readSeq = 0 } of acks) {
        void this.storage.position(DIRECT).then((position) => {
          this.guard(() => expect(Math.max(deliveredSeq, readSeq)).toBeLessThanOrEqual(position?.lastSeq ?? 0))
        })
      }
    } else if (destination === '/app/chat.sendMessage' && this.loseReceipt) {
      this.server.answer(connection, { command: 'SEND', headers: { destination }, body })
      return 'ignore'
    }
    return 'default'
  }

  start(): void {
    if (this.runs.length === 2) return
    const run = { alive: true, opens: 0, epoch: 0, owed: [] as ChatMessage[] } as Run
    const { clock, server, storage } = this
    const never = new Promise<never>(() => {})
    const store = new Proxy(storage, {
      get:
        (target, name: keyof ImStore) =>
        async (...args: unknown[]) => {
          await this.disk()
          if (!run.alive) return never
          const answer = await (target[name] as (...all: unknown[]) => Promise<unknown>)(...args)
          if (name === 'apply') this.guard(() => this.applied(run, args[1] as number, args[3] as ChatMessage[], answer as number))
          return run.alive ? answer : never
        },
    })
    const ids = seededIds(++this.number)
    const im = createImClient({
      url: 'http://server.test',
      userId: 'alice',
      getToken: () => 't-alice',
      storage: store,
      webSocket: (url, protocols) => {
        const socket = server.webSocket(url, protocols)
        const receive = Object.getOwnPropertyDescriptor(socket, 'onmessage')
        let handler = receive?.value as ((event: never) => unknown) | null
        Object.defineProperty(socket, 'onmessage', {
          get: () => (run.alive ? handler : null),
          set: (fn: typeof handler) => {
            handler = fn
          },
        })
        return socket
      },
      fetch: (async (input: string, init: RequestInit) => {
        const answer = await server.fetch(input, init)
        return run.alive ? answer : never
      }) as typeof fetch,
      clock: { now: clock.now, monotonic: clock.monotonic, soon: clock.soon, after: (ms, fn) => clock.after(ms, () => run.alive && fn()) },
      ids: { ...ids, random: () => 0.5 },
      lifecycle: { watch: () => () => {} },
    })
    Object.assign(run, { im })
    im.on('message', ({ message }) =>
      this.guard(() => {
        expect(run.owed[0]?.msgId).toBe(message.msgId)
        run.owed.shift()
      }),
    )
    // What is on its way out of the log that is over is of no use to anybody.
    im.on('epoch', ({ epoch }) => {
      run.epoch = epoch
      run.owed = []
    })
    im.on('error', (error) => {
      if (error.code === 'INTERNAL') this.faults.push(error.cause ?? error)
    })
    this.runs.push(run)
    im.connect()
  }
  private busyUntil = 0
  /** One call after another. */
  private disk(): Promise<void> {
    const now = this.clock.monotonic()
    this.busyUntil = Math.max(this.busyUntil, now) + this.diskMs
    return this.busyUntil > now ? new Promise((resolve) => this.clock.after(this.busyUntil - now, resolve)) : Promise.resolve()
  }
  private applied(run: Run, epoch: number, rows: readonly ChatMessage[], had: number): void {
    const era = this.eras[epoch - 1]
    // What the store takes is what the log of its epoch has there; of others it takes nothing.
    if (had === Number.POSITIVE_INFINITY) return
    for (const { seq, msgId } of rows) expect(era?.log[seq - 1]?.msgId).toBe(msgId)
    for (const row of rows.filter(({ seq }) => seq > had)) {
      expect(era?.told.has(row.seq)).toBe(false)
      era?.told.add(row.seq)
      if (epoch >= run.epoch) run.owed.push(row)
    }
  }
  open(run: Run | undefined): void {
    if (!run) return
    run.opens++
    void run.im.conversations.get(DIRECT).open()
  }
  close(run: Run | undefined): void {
    if (!run || run.opens === 0) return
    run.opens--
    run.im.conversations.get(DIRECT).close()
  }
  kill(run: Run | undefined): void {
    if (!run) return
    run.alive = false
    this.runs = this.runs.filter((other) => other !== run)
    // The kernel closes its sockets, sooner or later.
    for (const connection of this.server.live) connection.close(1006)
  }

  /** Bob writes; of the frames some are lost. */
  write(count: number, lost: number): void {
    const { fanOut } = this.server
    for (let i = 0; i < count; i++) {
      this.server.fanOut = (connection, message) => fanOut(connection, message) && ((lost >> i) & 1) === 0
      this.server.commit(DIRECT, { fromUserId: 'bob' })
    }
    this.server.fanOut = fanOut
  }
  send(run: Run | undefined): void {
    if (!run) return
    const sending = run.im.conversations.get(DIRECT).send({ type: 'text', text: 'own' })
    const { msgId } = sending.local
    this.sent.set(msgId, 'open')
    sending.then(
      ({ seq }) => {
        this.sent.set(msgId, 'resolved')
        // In the log of the epoch in which it was acknowledged.
        this.guard(() => expect(this.eras.some(({ log }) => log[seq - 1]?.msgId === msgId)).toBe(true))
      },
      () => this.sent.set(msgId, 'rejected'),
    )
  }
  /** The storage is as it was some entries ago, and an operator has raised the epoch; nodes hear of it in their own time. */
  restore(lost: number): void {
    const old = this.era.log
    for (const connection of this.server.live) this.epochOf(connection)
    this.server.floors.delete(DIRECT)
    this.server.epoch++
    const log = old.slice(0, Math.max(0, old.length - lost))
    this.server.logs.set(DIRECT, log)
    this.eras.push(newEra(log))
  }
  /** Connections are told where things stand, as after a lag or a new epoch. */
  summarise(): void {
    for (const connection of this.server.live) {
      this.epochs.set(connection, this.server.epoch)
      connection.event({ ...this.server.summary('alice') })
    }
  }
  lag(): void {
    for (const connection of this.server.live) connection.event({ event: 'lag' })
  }
  floor(floor: number): void {
    this.server.floors.set(DIRECT, Math.min(floor, this.era.log.length + 1))
    this.era.gone = Math.max(this.era.gone, (this.server.floors.get(DIRECT) ?? 1) - 1)
  }
  /** A node that has not heard of the epoch answers from the log that is over. */
  staleAnswer(): void {
    const { epoch } = this.server
    const log = this.eras[epoch - 2]?.log
    if (!log) return
    this.answers.push(() => Response.json({ messages: log.slice(0, 50), hasMore: false, nextAfterSeq: 0, floorSeq: 1, epoch: epoch - 1 }))
  }
  notFound(): void {
    this.answers.push(() => Response.json({ code: 'NOT_FOUND', retry: 'never' }, { status: 404 }))
  }

  async check(): Promise<void> {
    await settle()
    for (const fault of this.faults) throw fault
    const position = await this.storage.position(DIRECT)
    if (!position) return
    // A position and its rows are one.
    const rows = await this.storage.rows(DIRECT, 1, 10_000)
    expect([rows.length, rows[0]?.seq ?? position.lastSeq + 1]).toEqual([position.lastSeq - position.lowSeq, position.lowSeq + 1])
    for (const { im, owed, opens } of this.runs) {
      const { sync, headSeq } = im.conversations.get(DIRECT).getSnapshot()
      const at = (im.inspect()['conversations'] as { conversationId: string; at?: number }[]).find(
        (one) => one.conversationId === DIRECT,
      )?.at
      // Whoever has it open is on the way to live, whatever was answered, once the store has said where it was.
      if (this.busyUntil <= this.clock.monotonic()) expect(sync === 'dormant').toBe(opens === 0)
      // Live is: nothing seen anywhere is missing, and all of it was told.
      if (sync === 'live') expect([at, owed]).toEqual([headSeq, []])
    }
  }

  async heal(): Promise<void> {
    this.loseEcho = this.loseReceipt = false
    this.diskMs = 0
    this.answers.length = 0
    if (this.runs.length === 0) this.start()
    for (const run of this.runs) this.open(run)
    this.summarise()
    await this.clock.advance(180_000)
    await this.check()
    const { log, told, gone } = this.era
    for (const { im } of this.runs) {
      const chat = im.conversations.get(DIRECT)
      const shown = chat.messages.getSnapshot().map(({ seq, msgId }) => [seq, msgId])
      const { holes, floorSeq, sync } = chat.getSnapshot()
      expect(sync).toBe('live')
      // What is shown is the end of the log, and all that is not is a hole or gone.
      expect(shown).toEqual(log.slice(log.length - shown.length).map(({ seq, msgId }) => [seq, msgId]))
      const below = log.length - shown.length
      expect(holes).toEqual(below >= floorSeq ? [{ fromSeq: floorSeq, toSeq: below }] : [])
      expect(im.outbox.getSnapshot()).toEqual([])
    }
    const missed = log.map(({ seq }) => seq).filter((seq) => !told.has(seq) && seq > gone)
    expect(missed).toEqual([])
    expect((await this.storage.position(DIRECT))?.lastSeq ?? 0).toBe(log.length)
    const ids = log.map(({ msgId }) => msgId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { im } of this.runs) await im.destroy()
  }
}

const newEra = (log: ChatMessage[]): Era => ({ log, told: new Set(), gone: 0 })
