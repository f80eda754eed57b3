import { type Clock, DEFAULT_LIMITS, type Ids, type Limits } from '@innerline/protocol'
import type { AccountsOptions } from './accounts/index.js'
import type { BeforeSendPolicy, Hooks } from './app/hooks.js'
import type { OriginRule } from './gateway/index.js'
import {
  type Authenticate,
  type Bus,
  type EventLog,
  type Logger,
  type Metrics,
  noMetrics,
  type Presence,
  type RateLimiter,
  type Storage,
  silentLogger,
  type UnreadBadges,
  type UserDirectory,
} from './ports/index.js'
import { systemClock } from './runtime/system-clock.js'
import { systemIds } from './runtime/system-ids.js'

/** What `createImServer` takes. Everything but who may come in has a default; the defaults live in memory. */
export interface ImServerOptions {
  /** Who a request or connection speaks for. Needed unless `accounts` is given. */
  readonly authenticate?: Authenticate | undefined
  /** Built-in users, for services that have none of their own. */
  readonly accounts?: AccountsOptions | undefined
  /** The host's people: names in lists, search, and a check before a direct chat is opened. @default the accounts' users, if any */
  readonly directory?: UserDirectory | undefined
  readonly storage?: Storage | undefined
  readonly presence?: Presence | undefined
  readonly bus?: Bus | undefined
  readonly events?: EventLog | undefined
  readonly badges?: UnreadBadges | undefined
  readonly rateLimiter?: RateLimiter | undefined
  /** Prefix of REST and WebSocket paths alike, such as '/im'. With Express, mounting the router under a prefix does it for REST alone. @default '' */
  readonly basePath?: string | undefined
  /** Pages that may open a socket. @default 'same-host' */
  readonly allowedOrigins?: OriginRule | undefined
  /** Whether `?token=` in the WebSocket URL is accepted; URLs end up in logs. @default true, for the seed's clients */
  readonly queryToken?: boolean | undefined
  readonly limits?: Partial<Limits> | undefined
  readonly hooks?: Hooks | undefined
  /** What a failing or late `beforeSend` means. @default { onFailure: 'closed', deadlineMs: 3000 } */
  readonly beforeSend?: Partial<BeforeSendPolicy> | undefined
  readonly feed?: Partial<FeedOptions> | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
  readonly clock?: Clock | undefined
  readonly ids?: Ids | undefined
}

export interface FeedOptions {
  /** How long change rows are kept for nodes that were away. @default 10 min */
  readonly keepMs: number
  /** After how long an absent event consumer is given up. @default 7 d */
  readonly readerLostAfterMs: number
}

/** The options with every default in place. */
export interface ResolvedOptions extends Omit<ImServerOptions, 'limits' | 'hooks' | 'beforeSend' | 'feed'> {
  readonly basePath: string
  readonly allowedOrigins: OriginRule
  readonly queryToken: boolean
  readonly limits: Limits
  readonly hooks: Hooks
  readonly beforeSend: BeforeSendPolicy
  readonly feed: FeedOptions
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  readonly ids: Ids
}

/** Fills in the defaults. Throws a sentence for what cannot work. */
export function resolveOptions(options: ImServerOptions): ResolvedOptions {
  if (options.authenticate === undefined && options.accounts === undefined) {
    throw new TypeError('createImServer needs authenticate (your own check of a token or session) or accounts (built-in users).')
  }
  const basePath = options.basePath ?? ''
  if (basePath !== '' && !/^(\/[A-Za-z0-9._~-]+)+$/.test(basePath)) {
    throw new TypeError(`basePath must be '' or begin with a slash and not end with one, such as '/im'; it is ${JSON.stringify(basePath)}.`)
  }
  for (const [name, value] of Object.entries(options.limits ?? {})) {
    if (!(name in DEFAULT_LIMITS) || typeof value !== 'number' || !(value > 0)) {
      throw new TypeError(`limits.${name} must be a known limit and a number above 0.`)
    }
  }
  return {
    ...options,
    basePath,
    allowedOrigins: options.allowedOrigins ?? 'same-host',
    queryToken: options.queryToken ?? true,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    hooks: options.hooks ?? {},
    beforeSend: { onFailure: 'closed', deadlineMs: 3_000, ...options.beforeSend },
    feed: { keepMs: 10 * 60_000, readerLostAfterMs: 7 * 24 * 3_600_000, ...options.feed },
    logger: options.logger ?? silentLogger,
    metrics: options.metrics ?? noMetrics,
    clock: options.clock ?? systemClock,
    ids: options.ids ?? systemIds(),
  }
}
