import { createImClient, type ImError, isImError, type Conversation, type ImClient, type Sending } from '@innerline/sdk-client'
import type { SeenMessage, StoreHistory, TakenRow } from '../checker/index.js'
import { Process } from '../core/process.js'
import type { Random } from '../core/random.js'
import { Disk, type Taken } from '../storage/disk.js'
import { isFinal } from '../storage/database.js'
import type { World } from './world.js'

type OpenStore = StoreHistory & { era: number }

/** What a device's owner has open, apart from what its app of the moment knows. */
interface App {
  readonly process: Process
  readonly im: ImClient
  readonly wakes: Set<() => void>
  /** Whether it should be connected. */
  online: boolean
  readonly opens: Map<string, number>
}

/** One device of a user: a disk that lasts, and an app on it that comes and goes. */
export class Device {
  readonly name: string
  readonly userId: string
  readonly random: Random
  readonly hardware: Process
  disk: Disk
  store: OpenStore
  app: App | undefined
  readonly #world: World
  readonly #canTerminate: boolean
  readonly #habits: { readonly timerSkewMs: number; readonly throttleMs?: number }
  readonly #eager: boolean
  #runs = 0
  #stores = 0
  #tokens = 0

  constructor(
    userId: string,
    readonly number: number,
    world: World,
  ) {
    this.name = `${userId}/${number}`
    this.userId = userId
    this.#world = world
    this.random = world.random.fork(this.name)
    this.hardware = new Process(this.name, world.scheduler, this.random.fork('hardware'))
    this.#canTerminate = this.random.chance(0.5)
    this.#habits = {
      timerSkewMs: this.random.pick([-0.4, 0, 0, 1.5]),
      ...(this.random.chance(0.1) ? { throttleMs: 1_000 } : {}),
    }
    this.#eager = this.random.chance(0.15)
    const { disk, store } = this.#newStore()
    this.disk = disk
    this.store = store
  }

  /** The app, if it runs and is not asleep. */
  get awake(): App | undefined {
    return this.app?.process.frozen === false ? this.app : undefined
  }

  start(): void {
    if (this.app !== undefined) return
    const { scheduler, network, trace } = this.#world
    const name = `${this.name}#${++this.#runs}`
    const process = new Process(name, scheduler, this.random.fork(`run ${this.#runs}`), this.#habits)
    const wakes = new Set<() => void>()
    const im = createImClient({
      url: 'http://service',
      getToken: () => this.#token(process),
      ...(this.random.chance(0.5) ? { userId: this.userId } : {}),
      open: this.#eager ? 'eager' : 'lazy',
      storage: this.disk.connect(process, () => this.#taking(process)),
      device: { id: this.name },
      webSocket: (url) => network.dial(url, process, this.#canTerminate),
      fetch: network.fetch(process),
      lifecycle: {
        watch(onWake) {
          wakes.add(onWake)
          return () => wakes.delete(onWake)
        },
      },
      clock: process.clock,
      ids: process.ids,
    })
    this.app = { process, im, wakes, online: false, opens: new Map() }
    this.#listen(this.app)
    trace.line(this.name, () => `starts its app (run ${this.#runs})`)
    this.connect()
  }

  connect(): void {
    const { app } = this
    if (app === undefined) return
    app.online = true
    this.#world.recorder.count('connect')
    app.im.connect().catch(() => {})
  }

  disconnect(): void {
    const { app } = this
    if (app === undefined) return
    app.online = false
    void app.im.disconnect()
  }

  /** Ends the app as the system does: between two steps, without a word. `told`: the kernel closes its sockets. */
  crash(told: boolean): void {
    const { app } = this
    if (app === undefined) return
    this.app = undefined
    app.process.kill()
    this.#world.network.died(app.process, 'device', told)
    this.#world.recorder.appEnded(app.process.name)
  }

  /** Everything it kept is gone; the next run begins with nothing. */
  loseStore(): void {
    this.crash(true)
    this.#world.recorder.storeLost(this.name)
    const { disk, store } = this.#newStore()
    this.disk = disk
    this.store = store
  }

  conversation(id: string): Conversation | undefined {
    return this.awake?.im.conversations.get(id)
  }

  open(id: string): void {
    const { awake: app } = this
    if (app === undefined) return
    this.#world.recorder.count('open')
    app.opens.set(id, (app.opens.get(id) ?? 0) + 1)
    app.im.conversations
      .get(id)
      .open()
      .catch((error: unknown) => {
        if (isImError(error, 'CANCELLED') || isImError(error, 'CLIENT_CLOSED')) return
        this.#world.recorder.violation('client-error', `${this.name}: open(${id}) rejects with ${String(error)}`)
      })
  }

  close(id: string): void {
    const { awake: app } = this
    const opens = app?.opens.get(id) ?? 0
    if (app === undefined || opens === 0) return
    if (opens === 1) app.opens.delete(id)
    else app.opens.set(id, opens - 1)
    app.im.conversations.get(id).close()
  }

  send(id: string, text: string): void {
    const { awake: app } = this
    if (app === undefined) return
    const { recorder, trace } = this.#world
    const sending: Sending = app.im.conversations.get(id).send({ type: 'text', text })
    const { msgId } = sending.local
    const send = recorder.posted(this, app.process.name, msgId, id, JSON.stringify({ type: 'text', text }))
    trace.line(this.name, () => `sends ${text} to ${id} as ${short(msgId)}`)
    sending.then(
      ({ seq, ord, timestamp }) => {
        // Whether it was new is not told.
        recorder.settled(send, { ok: true, seq, ord, timestamp, duplicate: true })
        trace.line(this.name, () => `has its ${text} in ${id} as ${seq}`)
      },
      (error: ImError) => {
        recorder.settled(send, { ok: false, code: error.code, final: isFinal(error.code) })
        trace.line(this.name, () => `is refused ${text} in ${id}: ${error.code}`)
      },
    )
  }

  markRead(id: string): void {
    const { awake: app } = this
    const conversation = this.conversation(id)
    // Without a place in the log the newest that is known would be marked, which nobody has seen.
    if (app === undefined || conversation === undefined || conversation.getSnapshot().sync === 'dormant') return
    const held = conversation.messages.getSnapshot().findLast(({ seq }) => seq !== undefined)?.seq ?? 0
    // Its own idea of the newest may be ahead of the view by what is on its way into it.
    this.#world.recorder.read(this.userId, id, Math.max(held, this.#positionOf(id)), epochOf(app.im))
    conversation.markRead()
  }

  /** Live means that everything seen anywhere is held; only what is on its way into the store may be missing. */
  checkLive(): void {
    const { awake: app } = this
    if (app === undefined || this.disk.busy) return
    for (const id of app.opens.keys()) {
      const { sync, headSeq } = app.im.conversations.get(id).getSnapshot()
      const last = sync === 'live' ? this.#positionOf(id) : headSeq
      if (last < headSeq)
        this.#world.recorder.violation('false-live', `${this.name} says it is live in ${id}, knows of ${headSeq} and is at ${last}`)
    }
  }

  #positionOf(id: string): number {
    const known = this.awake?.im.inspect()['conversations'] as
      | readonly { readonly conversationId: string; readonly at?: number }[]
      | undefined
    return known?.find(({ conversationId }) => conversationId === id)?.at ?? 0
  }

  #taking({ name: app }: Process): Taken {
    const { era, taken } = this.store
    return (conversationId, rows, had) => {
      for (const { seq } of rows) if (seq > had) (taken as TakenRow[]).push({ app, era, conversationId, seq })
    }
  }

  #newStore(): { disk: Disk; store: OpenStore } {
    const { scheduler, recorder, profile } = this.#world
    const store: OpenStore = { store: `${this.name} store ${++this.#stores}`, userId: this.userId, events: [], taken: [], era: 0 }
    recorder.stores.push(store)
    const random = this.random.fork(store.store)
    const disk = new Disk(scheduler, random, this.hardware, profile.diskMs, (conversationId, rows, position, epoch) => {
      recorder.stored(this.userId, store, conversationId, rows, position, epoch)
    })
    return { disk, store }
  }

  #token(process: Process): Promise<string> {
    const { scheduler, conditions, recorder, profile } = this.#world
    const fails = this.random.chance(conditions.tokenFails)
    return new Promise((resolve, reject) => {
      scheduler.after(this.random.exponential(5), process, () => {
        if (fails) {
          recorder.fault('token fails')
          reject(new Error('no token now'))
        } else resolve(`${this.userId}.${this.#world.wallNow() + profile.tokenTtlMs}.${++this.#tokens}`)
      })
    })
  }

  #listen({ im, process }: App): void {
    const { recorder, trace } = this.#world
    const { store } = this
    const events = store.events as SeenMessage[]
    im.on('message', ({ message: { conversationId, seq, msgId }, origin }) => {
      events.push({ app: process.name, era: store.era, conversationId, seq, msgId })
      trace.line(this.name, () => `gets ${conversationId}#${seq} ${short(msgId)} (${origin})`)
    })
    im.on('connection', ({ status, error }, before) => {
      if (status === before.status) return
      if (status === 'connected') recorder.count('connected')
      trace.line(this.name, () => `is ${status}${error === undefined ? '' : `: ${error.code} ${error.detail ?? ''}`}`)
      if (status === 'closed') recorder.violation('closed-for-good', `${this.name}: ${error?.code} ${error?.detail}`)
    })
    im.on('sync', ({ conversationId, phase, pulled, complete }) =>
      trace.line(
        this.name,
        () => `${phase}s a pull of ${conversationId}${phase === 'end' ? `: ${pulled}, ${complete ? 'live' : 'not live'}` : ''}`,
      ),
    )
    im.on('revived', ({ message }) => recorder.revived(this.name, message.msgId))
    im.on('failed', ({ item, error }) => trace.line(this.name, () => `gives up ${short(item.msgId)}: ${error.code}`))
    im.on('receipt', ({ conversationId, userId, deliveredSeq, readSeq }) =>
      recorder.tick(this.name, conversationId, userId, { deliveredSeq, readSeq, epoch: epochOf(im) }),
    )
    im.on('epoch', ({ epoch, before }) => {
      store.era++
      trace.line(this.name, () => `moves from epoch ${before} to ${epoch}`)
    })
    im.on('error', (error) => {
      trace.line(this.name, () => `reports ${error.code} ${error.detail ?? ''}`)
      if (error.code === 'INTERNAL') {
        recorder.violation('client-error', `${this.name}: ${error.message} ${(error.cause as Error | undefined)?.stack ?? ''}`)
      }
    })
  }
}

/** The epoch a client believes in. */
const epochOf = (im: ImClient): number => Number(im.inspect()['epoch'])

/** The part of an id that differs. */
export const short = (id: string): string => id.slice(-6)
