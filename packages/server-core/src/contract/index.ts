export { busContract } from './bus.js'
export { eventLogContract } from './event-log.js'
export { eventually, Received } from './eventually.js'
export type {
  ArrangedMember,
  BusHarness,
  Current,
  EventLogHarness,
  Harness,
  LateAppend,
  PresenceHarness,
  RateLimiterHarness,
  StorageHarness,
  UnreadBadgesHarness,
} from './harness.js'
export { expectSoundLog, FeedReader, readLog } from './invariants.js'
export { presenceContract } from './presence.js'
export { rateLimiterContract } from './rate-limiter.js'
export { storageCases, storageContract } from './storage.js'
export { unreadBadgesContract } from './unread-badges.js'
