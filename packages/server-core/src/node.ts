import { type Accounts, createAccounts } from './accounts/index.js'
import { Acknowledge } from './app/acknowledge.js'
import { AppendLanes } from './app/append-lanes.js'
import { ConversationAccess } from './app/conversation-access.js'
import { ListConversations } from './app/list-conversations.js'
import { PageReader } from './app/page-reader.js'
import { ReadMessages } from './app/read-messages.js'
import { SendMessage } from './app/send-message.js'
import { CommittedPublisher, feedEventLog, FeedKeeper, FeedReader, Hints, MemberIndex } from './delivery/index.js'
import { Gateway, type GatewayContext } from './gateway/index.js'
import { memoryBus, memoryPresence, memoryRateLimiter, memoryStorage, memoryUnreadBadges } from './memory/index.js'
import type { ResolvedOptions } from './options.js'
import type {
  AppendBatch,
  AppendItem,
  AppendResult,
  Authenticate,
  Bus,
  EventLog,
  Presence,
  RateLimiter,
  Storage,
  UnreadBadges,
  UserDirectory,
} from './ports/index.js'
import { notifyCursor } from './delivery/cursor-hints.js'

const LANES = 4
const LANE_QUEUE = 2_000
const PAGE_READS = 16
const PAGE_QUEUE = 1_000

/** Everything one node is made of, wired but not started. */
export interface Node {
  readonly nodeId: string
  readonly storage: Storage
  readonly presence: Presence
  readonly bus: Bus
  readonly events: EventLog
  readonly badges: UnreadBadges
  readonly rateLimiter: RateLimiter
  readonly accounts: Accounts | undefined
  readonly directory: UserDirectory | undefined
  readonly authenticate: Authenticate
  readonly lanes: AppendLanes
  readonly send: SendMessage
  readonly acknowledge: Acknowledge
  readonly read: ReadMessages
  readonly conversations: ListConversations
  readonly index: MemberIndex
  readonly hints: Hints
  readonly gateway: Gateway
  readonly feedReader: FeedReader
  readonly feedKeeper: FeedKeeper
  /** The storage's epoch as this node knows it. */
  readonly epoch: { current: number }
}

/** Wires a node. Nothing is opened, read or scheduled before it is started. */
export function createNode(options: ResolvedOptions): Node {
  const { clock, ids, logger, metrics, limits, hooks } = options
  const nodeId = ids.uuid()
  const epoch = { current: 0 }
  const epochNow = (): number => epoch.current
  const storage = options.storage ?? memoryStorage({ clock })
  const presence = options.presence ?? memoryPresence({ clock })
  const bus = options.bus ?? memoryBus()
  const badges = options.badges ?? memoryUnreadBadges({ clock })
  const rateLimiter = options.rateLimiter ?? memoryRateLimiter({ clock })
  const events = options.events ?? feedEventLog({ storage, clock, ids, nodeId, logger })
  const accounts =
    options.accounts === undefined ? undefined : createAccounts({ ...options.accounts, storage, limiter: rateLimiter, clock, ids })
  const directory = options.directory ?? accounts?.directory
  const authenticate = (options.authenticate ?? accounts?.authenticate) as Authenticate

  const pages = new PageReader({ storage, concurrency: PAGE_READS, queue: PAGE_QUEUE, pageBytes: limits.pageBytes })
  const conversations = new ListConversations({ storage, directory, epoch: epochNow, clock, logger })
  const index = new MemberIndex({ storage, bus, pages, clock, logger, summary: (userId) => conversations.summary(userId) })
  const hints = new Hints(index, bus, clock, epochNow)
  const publisher = new CommittedPublisher(index, bus, logger, epochNow)
  const access = new ConversationAccess({ storage, known: index, directory, clock, nodeId })
  /** In which epoch a batch was asked for: what comes back in another is of a log that is no more. */
  const askedIn = new WeakMap<readonly AppendItem[], number>()
  const appendMessages = (batch: AppendBatch): Promise<readonly AppendResult[]> => {
    askedIn.set(batch.items, epoch.current)
    return storage.appendMessages(batch)
  }
  const onCommitted = (items: readonly AppendItem[], results: readonly AppendResult[]): void => {
    publisher.publish(items, results, askedIn.get(items) ?? epoch.current)
    if (hooks.afterCommit !== undefined) runAfterCommit(options, items, results)
  }
  const lanes = new AppendLanes({ storage: { appendMessages }, clock, nodeId, lanes: LANES, queueItems: LANE_QUEUE, onCommitted })
  const sendRule = { perSecond: limits.sendsPerSecond, burst: limits.sendBurst }
  const send = new SendMessage({
    ...{ storage, lanes, access, limiter: rateLimiter, sendRule, bodyBytes: limits.bodyBytes },
    ...{ hooks, beforeSend: options.beforeSend, clock, ids, logger, nodeId, onCommitted },
  })
  const onMoved = notifyCursor(hints)
  const acknowledge = new Acknowledge({ storage, badges, clock, logger, epoch: epochNow, onMoved })
  const read = new ReadMessages({ storage, access, pages, epoch: epochNow })
  const context: GatewayContext = {
    ...{ send, acknowledge, index, hints, presence, events, authenticate, hooks, clock, ids, logger, metrics, limits },
    epoch: epochNow,
    queryToken: options.queryToken,
    // The more have to come back, the longer they are asked to spread it: as many ms as connections, 1 to 30 s.
    reconnectWindowMs: () => Math.min(30_000, Math.max(1_000, gateway.connections)),
  }
  const gateway: Gateway = new Gateway(context)
  const feedReader = new FeedReader({
    ...{ storage, clock, logger, metrics },
    busHealthy: () => bus.healthy,
    onChange: (change) => index.acceptChange(change),
    onStale: (position) => {
      epoch.current = position.epoch
      index.reset(10_000)
    },
  })
  const feedKeeper = new FeedKeeper({ ...{ storage, reader: feedReader, nodeId, clock, logger, metrics }, ...options.feed })
  return {
    ...{ nodeId, storage, presence, bus, events, badges, rateLimiter, accounts, directory, authenticate, lanes, send, acknowledge },
    ...{ read, conversations, index, hints, gateway, feedReader, feedKeeper, epoch },
  }
}

function runAfterCommit(options: ResolvedOptions, items: readonly AppendItem[], results: readonly AppendResult[]): void {
  const { hooks, logger } = options
  const failed = (error: unknown): void => logger.error({ err: error }, 'afterCommit failed')
  items.forEach((item, i) => {
    const result = results[i]
    if (result?.ok !== true || result.duplicate) return
    const { conversationId, msgId, fromUserId } = item
    const { seq, ord, timestamp } = result
    try {
      Promise.resolve(hooks.afterCommit?.({ conversationId, seq, ord, msgId, fromUserId, timestamp })).catch(failed)
    } catch (error) {
      failed(error)
    }
  })
}
