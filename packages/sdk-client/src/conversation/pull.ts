import type { Clock, Ids, ImError, MessagePage, OfflinePage } from '@innerline/protocol'
import { pauseMs } from '../delays.js'
import { asImError } from '../failure.js'
import type { Request } from '../http/rest.js'
import { createTimer } from '../timer.js'
import { type Position, type PositionEvent, PULL_LIMIT, pullAfter } from './position.js'

const CONCURRENT = 4

/** Lets a few tasks run at a time, first come first served, so that a client with many conversations does not storm its server. */
export function createLimiter(): <T>(task: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = []
  let running = 0
  return async (task) => {
    if (running >= CONCURRENT) await new Promise<void>((go) => queue.push(go))
    else running++
    try {
      return await task()
    } finally {
      // The place is handed on, not given back, when somebody waits for it.
      const next = queue.shift()
      if (next) next()
      else running--
    }
  }
}

export interface PullPorts {
  readonly clock: Clock
  readonly ids: Ids
  readonly request: Request
  readonly limit: <T>(task: () => Promise<T>) => Promise<T>
  /** Whether the server has told this connection where things stand. */
  ready(): boolean
  /** False when the page is of another epoch than the positions. */
  sameEpoch(epoch: number): boolean
}

export interface PullHandlers {
  position(): Position
  dispatch(event: PositionEvent): void
  /** The positions of others that came with a page. */
  receipts(page: MessagePage): void
  /** Trying again cannot help. */
  failed(error: ImError): void
}

export interface Puller {
  /** Reads one page, now or once `resume` is called. */
  pull(): void
  pullLater(): void
  resume(): void
  stop(): void
}

export const historyPath = (id: string): string => `/api/chat/messages/session/${encodeURIComponent(id)}`

/** Reads pages for one conversation, one at a time, and does not give up while giving up would leave a hole. */
export function createPuller(id: string, ports: PullPorts, { position, dispatch, receipts, failed }: PullHandlers): Puller {
  let number = 0
  let parked = false
  let failures = 0
  const timer = createTimer(ports.clock)

  const current = (mine: number, page: MessagePage): boolean => {
    if (mine !== number) return false
    if (ports.sameEpoch(page.epoch)) return true
    // A newer epoch has begun a new pull by now. An older one is a node that has not heard of it yet.
    if (mine === number) pullLater()
    return false
  }
  const readPage = async (mine: number) => {
    if (position().head === 0) {
      // How long the backlog is decides how it is read.
      const newest = await ports.request<MessagePage>('GET', historyPath(id), { query: { limit: 1 } })
      if (!current(mine, newest)) return
      dispatch({ type: 'head', seq: newest.messages.at(-1)?.seq ?? 0, floor: newest.floorSeq })
    }
    const after = pullAfter(position())
    const path = `/api/im/offline/${encodeURIComponent(id)}`
    const page = await ports.request<OfflinePage>('GET', path, { query: { afterSeq: after, limit: PULL_LIMIT } })
    if (!current(mine, page)) return
    failures = 0
    receipts(page)
    dispatch({ type: 'page', after, messages: page.messages, hasMore: page.hasMore, floor: page.floorSeq })
  }
  const pull = () => {
    timer.stop()
    parked = !ports.ready()
    if (parked) return
    const mine = ++number
    ports
      .limit(() => (mine === number ? readPage(mine) : Promise.resolve()))
      .catch((cause) => {
        if (mine !== number) return
        const error = asImError(cause, 'INTERNAL')
        // Where anything was ever seen of the conversation, a refusal is the mistake of some node or proxy, and no word on its end.
        if (error.retry !== 'never' || position().head > 0) pullLater(error)
        // A direct conversation nobody has written in does not exist yet, and is complete.
        else if (error.code === 'NOT_FOUND' && id.startsWith('d~')) {
          dispatch({ type: 'page', after: 0, messages: [], hasMore: false, floor: 1 })
        } else failed(error)
      })
  }
  const pullLater = (error?: ImError) => {
    number++
    timer.start(pauseMs(error, ++failures, ports.ids), pull)
  }
  return {
    pull,
    pullLater: () => pullLater(),
    resume() {
      if (parked) pull()
    },
    stop() {
      number++
      parked = false
      timer.stop()
    },
  }
}
