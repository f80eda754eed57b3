import type { ImError, MessagePage, SentMessage } from '@innerline/protocol'
import type { Random } from '../core/random.js'
import type { Device } from '../world/device.js'
import type { Operation } from '../world/profile.js'
import type { World } from '../world/world.js'
import type { Place, Places } from './conversations.js'

const SURE_SENDS = 40
const SURE_OPENS = 8

/** What people do: draws operations over the active time and has devices carry them out. */
export class Workload {
  readonly #world: World
  readonly #places: Places
  readonly #random: Random
  #texts = 0

  constructor(world: World, places: Places) {
    this.#world = world
    this.#places = places
    this.#random = world.random.fork('workload')
  }

  /** Puts all operations on the schedule. */
  plan(): void {
    const { profile, scheduler, director } = this.#world
    const { operations, activeMs, workload } = profile
    const random = this.#random
    // Lumps and lulls rather than a steady rain.
    const centres = Array.from({ length: 4 }, () => random.next() * activeMs)
    for (let i = 0; i < operations; i++) {
      const at = random.chance(0.5) ? random.next() * activeMs : Math.min(activeMs, random.pick(centres) + random.exponential(600))
      // The first are sends and opens whatever the weights: a history without messages, or without readers, says nothing.
      const operation = i < SURE_SENDS ? 'send' : i < SURE_SENDS + SURE_OPENS ? 'open' : random.weighted(workload)
      scheduler.at(at, director, () => this.#perform(operation))
    }
    // Everybody opens something early on, so that there are devices to deliver to.
    for (const device of this.#world.devices) {
      scheduler.at(random.next() * activeMs * 0.3, director, () => this.#open(device))
    }
  }

  #perform(operation: Operation): void {
    const random = this.#random
    const { devices, profile, scheduler, director } = this.#world
    const awake = devices.filter((device) => device.awake !== undefined && this.#places.of(device.userId).length > 0)
    if (awake.length === 0) {
      // Nobody is there to do it now; somebody will be.
      if (scheduler.now < profile.activeMs) scheduler.after(random.exponential(1_000), director, () => this.#perform(operation))
      return
    }
    const device = random.pick(awake)
    device.checkLive()
    const place = this.#placeOf(device)
    switch (operation) {
      case 'send':
        if (place !== undefined) device.send(place.conversationId, this.#text())
        return
      case 'burst':
        if (place !== undefined)
          for (let left = 2 + random.int(12); left > 0; left--) device.send(place.conversationId, this.#text(random.int(300)))
        return
      case 'restSend':
        if (place !== undefined) this.#restSend(device, place)
        return
      case 'open':
        return this.#open(device)
      case 'close': {
        const opened = [...(device.awake?.opens.keys() ?? [])]
        if (opened.length > 0) device.close(random.pick(opened))
        return
      }
      case 'markRead': {
        const opened = [...(device.awake?.opens.keys() ?? [])]
        if (opened.length > 0) device.markRead(random.pick(opened))
        return
      }
      case 'loadOlder':
        if (place !== undefined)
          void device
            .conversation(place.conversationId)
            ?.loadOlder({ limit: 1 + random.int(20) })
            .catch(() => {})
        return
      case 'typing':
        if (place !== undefined) device.conversation(place.conversationId)?.typing()
        return
      case 'history':
        if (place !== undefined) this.#history(place)
        return
      case 'disconnect':
        return this.#disconnect(device)
      case 'wake':
        for (const wake of [...(device.awake?.wakes ?? [])]) wake()
        return
      case 'newPlace':
        return this.#newPlace()
      case 'retry':
        if (random.chance(0.5)) device.awake?.im.outbox.retry()
        else for (const { msgId } of device.awake?.im.outbox.getSnapshot() ?? []) device.awake?.im.outbox.cancel(msgId)
    }
  }

  #placeOf(device: Device): Place | undefined {
    const own = this.#places.of(device.userId)
    return own.length === 0 ? undefined : this.#random.pick(own)
  }

  #open(device: Device): void {
    const place = this.#placeOf(device)
    if (place !== undefined) device.open(place.conversationId)
  }

  #text(filler = 0): string {
    return `text ${++this.#texts}${'.'.repeat(filler)}`
  }

  #disconnect(device: Device): void {
    const { scheduler, director } = this.#world
    device.disconnect()
    scheduler.after(this.#random.exponential(2_000), director, () => {
      if (device.app?.online === false) device.connect()
    })
  }

  /** As a host's page without the SDK's outbox does: one request, tried again with the same id when its answer is lost. */
  #restSend(device: Device, { conversationId }: Place, then = (): void => {}): void {
    const { awake: app } = device
    if (app === undefined) return
    const { recorder, scheduler } = this.#world
    const text = this.#text()
    const body = { msgId: app.process.ids.uuid(), conversationId, body: { type: 'text', text } }
    const posted = recorder.posted(device, app.process.name, body.msgId, conversationId, JSON.stringify(body.body), true)
    const post = (triesLeft: number): void => {
      app.im.request<SentMessage>('POST', '/api/im/messages', { body }).then(
        (sent) => {
          recorder.settled(posted, { ok: true, ...sent })
          then()
        },
        (error: ImError) => {
          if (error.retry === 'never') recorder.settled(posted, { ok: false, code: error.code, final: true })
          else if (triesLeft > 0) scheduler.after(this.#random.exponential(2_000), app.process, () => post(triesLeft - 1))
          // Given up without knowing, as pages are.
          else posted.appEnded = true
        },
      )
    }
    post(4)
  }

  /**
   * A page as operators' tools read it, from members' devices: several ask for the same within a moment, and some right after a message
   * of their own.
   */
  #history(place: Place): void {
    const random = this.#random
    const { scheduler, director } = this.#world
    const devices = this.#world.devices.filter(({ userId }) => place.members.includes(userId))
    const query = random.pick([{}, {}, {}, { beforeSeq: 1 + random.int(60) }, { afterSeq: random.int(60) }])
    const limit = 1 + random.int(30)
    for (let readers = 1 + random.int(6); readers > 0; readers--) {
      const device = random.pick(devices)
      const read = (): void => this.#read(device, place.conversationId, query, limit)
      const writes = random.chance(0.3)
      scheduler.after(random.exponential(100), director, () => (writes ? this.#restSend(device, place, read) : read()))
    }
  }

  #read(device: Device, conversationId: string, query: { readonly beforeSeq?: number; readonly afterSeq?: number }, limit: number): void {
    const path = `/api/chat/messages/session/${encodeURIComponent(conversationId)}`
    const judge = this.#world.recorder.pageAsked(device.name, conversationId, query)
    device.awake?.im.request<MessagePage>('GET', path, { query: { ...query, limit } }).then(judge, () => {})
  }

  /** Everybody it is for hears of it by its first messages. */
  #newPlace(): void {
    const place = this.#places.open()
    const { scheduler, director, devices } = this.#world
    const members = devices.filter(({ userId }) => place.members.includes(userId))
    for (let left = 1 + this.#random.int(6); left > 0; left--) {
      const device = this.#random.pick(members)
      scheduler.after(this.#random.exponential(80), director, () => device.send(place.conversationId, this.#text()))
    }
  }
}
