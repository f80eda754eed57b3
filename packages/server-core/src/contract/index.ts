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
export { storageCases, storageContract } from './storage.js'
