/** What may depend on what. DESIGN's direction, as data: change it here and the check follows. */

/** package folder → the workspace packages its sources and tests may import. */
export const PACKAGE_DIRECTION: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  'sdk-client': ['protocol'],
  'server-core': ['protocol'],
  'adapters-mysql': ['protocol', 'server-core'],
  'adapters-redis': ['protocol', 'server-core'],
  'adapters-kafka': ['protocol', 'server-core'],
}

/**
 * Folder of server-core/src → the folders it may import, besides itself. Files directly in src (`create-server.ts`, `index.ts`, …)
 * compose everything, so no folder imports them.
 */
export const SERVER_LAYERS: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  ports: ['domain'],
  app: ['domain', 'ports'],
  delivery: ['domain', 'ports', 'app'],
  gateway: ['domain', 'ports', 'app', 'delivery'],
  http: ['domain', 'ports', 'app', 'delivery'],
  accounts: ['domain', 'ports', 'app', 'http'],
  memory: ['domain', 'ports'],
  contract: ['domain', 'ports'],
  runtime: ['domain', 'ports'],
}

/** The system clock and ids are chosen in one place (and exported for hosts); everything else is handed a `Clock` and `Ids`. */
export const RUNTIME_IMPORTERS: readonly string[] = ['create-server.ts', 'options.ts', 'index.ts']

/** Folders of server-core/src whose text names no back end. */
export const BACKEND_FREE_FOLDERS: readonly string[] = ['domain', 'ports', 'app']
export const BACKEND_WORDS: readonly string[] = ['redis', 'kafka', 'sql', 'mysql', 'topic', 'topics']

/** A service session has a `topic` (what the customer asks about) in the REST contract; that word is the domain's own there. */
export const TOPIC_IS_DOMAIN = /(^|\/)(service|sessions?|agent)[^/]*\.ts$/

/** Packages whose sources get time and chance from outside, with the folders that are the outside. */
export const CLOCKED_PACKAGES: Readonly<Record<string, { readonly exempt: readonly string[] }>> = {
  protocol: { exempt: [] },
  'sdk-client': { exempt: ['runtime'] },
  'server-core': { exempt: ['runtime'] },
}

export const TIMER_GLOBALS: readonly string[] = ['setTimeout', 'setInterval', 'setImmediate', 'performance']
export const CHANCE_NAMES: readonly string[] = ['randomUUID', 'randomBytes', 'getRandomValues', 'randomInt', 'randomFill', 'randomFillSync']
export const TIMER_MODULES: readonly string[] = ['timers', 'timers/promises', 'perf_hooks']

/** `object.member` pairs that read time or chance. */
export const CLOCK_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  Date: ['now'],
  Math: ['random'],
  AbortSignal: ['timeout'],
  process: ['hrtime', 'uptime'],
}

/** Names allowed in one folder although the rule above forbids them: a password's salt is not the domain's chance. */
export const CHANCE_EXCEPTIONS: Readonly<Record<string, readonly string[]>> = { 'server-core/src/accounts': ['randomBytes'] }

/** External module → where in packages/*\/src it may be imported. */
export const MODULE_HOMES: Readonly<Record<string, RegExp>> = {
  ws: /^packages\/server-core\/src\/gateway\/ws-[^/]+\.ts$/,
  '@stomp/stompjs': /^packages\/sdk-client\/src\//,
  eventemitter3: /^packages\/sdk-client\/src\//,
  vitest: /^packages\/server-core\/src\/contract\//,
}

export const WARN_LINES = 300
export const MAX_LINES = 400
