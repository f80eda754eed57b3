import { notBuiltYet } from './not-built-yet.js'

export interface RedisAdapterOptions {
  /** The host's ioredis client (single, Sentinel or Cluster). Borrowed: never closed by us. */
  readonly client: object
  /** Keeps two services on one Redis apart. */
  readonly namespace?: string | undefined
}

const meanwhile = (option: string, without: string) =>
  `Leave \`${option}\` out of createImServer: ${without}, which is right for a single process.`

/** Presence of all nodes on Redis. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function redisPresence(_options: RedisAdapterOptions): never {
  return notBuiltYet('redisPresence', meanwhile('presence', 'presence is then what this process knows'))
}

/** A short-lived cache of computed unread counts. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function redisUnreadBadges(_options: RedisAdapterOptions): never {
  return notBuiltYet('redisUnreadBadges', meanwhile('badges', 'badges are then cached in this process'))
}

/** Limits that hold over all nodes. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function redisRateLimiter(_options: RedisAdapterOptions): never {
  return notBuiltYet('redisRateLimiter', meanwhile('rateLimiter', 'limits are then counted in this process'))
}

/** Wake-ups between nodes on Redis. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function redisBus(_options: RedisAdapterOptions): never {
  return notBuiltYet('redisBus', meanwhile('bus', 'messages then reach the connections of this process'))
}
