import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { checkSource } from './check-source.js'
import { checkTree } from './check-tree.js'

const core = (path: string, text: string) => rulesOf(`packages/server-core/src/${path}`, text)
const sdk = (path: string, text: string) => rulesOf(`packages/sdk-client/src/${path}`, text)
const rulesOf = (file: string, text: string, dependencies?: readonly string[]) =>
  checkSource(file, text, dependencies).map(({ rule, line }) => `${rule}:${line}`)

describe('the tree as it is', () => {
  it('keeps every rule', { timeout: 30_000 }, () => {
    const { files, violations } = checkTree(fileURLToPath(new URL('../..', import.meta.url)))
    expect(files).toBeGreaterThan(5)
    expect(violations.filter(({ severity }) => severity === 'error')).toEqual([])
  })
})

describe('package direction', () => {
  it.each([
    ['packages/protocol/src/a.ts', '@innerline/server-core'],
    ['packages/protocol/src/a.ts', '@innerline/sdk-client'],
    ['packages/sdk-client/src/a.ts', '@innerline/server-core'],
    ['packages/sdk-client/test/a.test.ts', '@innerline/server-core'],
    ['packages/server-core/src/app/a.ts', '@innerline/sdk-client'],
    ['packages/server-core/src/index.ts', '@innerline/adapters-mysql'],
    ['packages/adapters-redis/src/a.ts', '@innerline/adapters-kafka'],
    ['packages/adapters-redis/src/a.ts', '@innerline/sdk-client'],
    ['packages/adapters-redis/src/a.ts', '@innerline/server-core/contract'],
    ['packages/server-core/src/a.ts', '@innerline/server-core'],
  ])('%s may not import %s', (file, name) => {
    expect(rulesOf(file, `import { x } from '${name}'`)).toEqual(['direction:1'])
  })

  it.each([
    `import type { X } from '@innerline/server-core'`,
    `export { x } from '@innerline/server-core'`,
    `export * from '@innerline/server-core'`,
    `const x = await import('@innerline/server-core')`,
    `const x = require('@innerline/server-core')`,
    `import x = require('@innerline/server-core')`,
    `type X = import('@innerline/server-core').X`,
  ])('sees the form: %s', (text) => {
    expect(sdk('client.ts', `\n${text}`)).toEqual(['direction:2'])
  })

  it('allows what points downwards', () => {
    expect(rulesOf('packages/adapters-redis/src/a.ts', `import { x } from '@innerline/server-core'`)).toEqual([])
    expect(rulesOf('packages/adapters-redis/test/a.test.ts', `import { x } from '@innerline/server-core/contract'`)).toEqual([])
    expect(sdk('a.ts', `import { x } from '@innerline/protocol'\nimport { y } from './b.js'`)).toEqual([])
  })

  it('does not let a relative path go around it', () => {
    expect(sdk('a.ts', `import { x } from '../../server-core/src/index.js'`)).toEqual(['boundary:1'])
    expect(rulesOf('packages/sdk-client/test/a.test.ts', `import { x } from '../../server-core/src/index.js'`)).toEqual(['boundary:1'])
    expect(sdk('a.ts', `import { x } from '../test/support.js'`)).toEqual(['boundary:1'])
    expect(sdk('a.ts', `import manifest from '../package.json'`)).toEqual(['boundary:1'])
  })
})

describe('layers of server-core', () => {
  it.each([
    ['domain/a.ts', '../ports/clock.js'],
    ['ports/a.ts', '../app/send.js'],
    ['app/a.ts', '../delivery/index.js'],
    ['app/a.ts', '../gateway/session.js'],
    ['delivery/a.ts', '../gateway/session.js'],
    ['gateway/a.ts', '../http/router.js'],
    ['http/a.ts', '../gateway/session.js'],
    ['http/routes/a.ts', '../../gateway/session.js'],
    ['memory/a.ts', '../app/send.js'],
    ['contract/a.ts', '../memory/storage.js'],
    ['gateway/a.ts', '../create-server.js'],
    ['app/a.ts', '../runtime/system-clock.js'],
    ['node.ts', './runtime/system-clock.js'],
    ['cluster/a.ts', '../domain/a.js'],
  ])('%s may not import %s', (file, name) => {
    expect(core(file, `import { x } from '${name}'`)).toEqual(['layer:1'])
  })

  it.each([
    ['ports/a.ts', '../domain/a.js'],
    ['app/a.ts', '../ports/a.js'],
    ['app/a.ts', './b.js'],
    ['delivery/a.ts', '../app/a.js'],
    ['gateway/a.ts', '../delivery/a.js'],
    ['http/a.ts', '../app/a.js'],
    ['memory/a.ts', '../ports/a.js'],
    ['create-server.ts', './gateway/a.js'],
    ['create-server.ts', './runtime/system-clock.js'],
    ['options.ts', './runtime/system-clock.js'],
  ])('%s may import %s', (file, name) => {
    expect(core(file, `import { x } from '${name}'`)).toEqual([])
  })
})

describe('modules', () => {
  it.each([
    ['packages/server-core/src/gateway/session.ts', 'ws'],
    ['packages/server-core/src/http/ws-thing.ts', 'ws'],
    ['packages/adapters-redis/src/a.ts', 'ws'],
    ['packages/server-core/src/gateway/a.ts', '@stomp/stompjs'],
    ['packages/server-core/src/app/a.ts', 'eventemitter3'],
    ['packages/server-core/src/app/a.ts', 'vitest'],
    ['packages/protocol/src/a.ts', 'node:fs'],
  ])('%s may not import %s', (file, name) => {
    expect(rulesOf(file, `import x from '${name}'`)).toEqual(['module:1'])
  })

  it('allows each in its home', () => {
    expect(core('gateway/ws-socket.ts', `import { WebSocketServer } from 'ws'`)).toEqual([])
    expect(core('contract/storage.ts', `import { expect } from 'vitest'`)).toEqual([])
    expect(sdk('transport.ts', `import { Client } from '@stomp/stompjs'`)).toEqual([])
    expect(rulesOf('packages/server-core/test/a.test.ts', `import { Client } from '@stomp/stompjs'`)).toEqual([])
  })

  it('wants every module declared in package.json', () => {
    expect(rulesOf('packages/server-core/src/app/a.ts', `import x from 'lodash/get'`, ['zod'])).toEqual(['dependency:1'])
    expect(rulesOf('packages/server-core/src/app/a.ts', `import { z } from 'zod'\nimport 'node:net'`, ['zod'])).toEqual([])
  })
})

describe('back-end words', () => {
  it.each(['// as Redis does', 'const sqlState = 1', 'const KAFKA_LAG = 1', "const a = 'mysql'", '/** a topic */', 'const useSQL = 1'])(
    'finds one in: %s',
    (text) => {
      for (const folder of ['domain', 'ports', 'app']) expect(core(`${folder}/a.ts`, text)).toEqual(['word:1'])
      expect(core('gateway/a.ts', text)).toEqual([])
    },
  )

  it('leaves longer words alone, and the topic of a service session', () => {
    expect(core('domain/a.ts', 'const typical = "redistribute topical"')).toEqual([])
    expect(core('domain/service-session.ts', 'interface S { readonly topic?: string }')).toEqual([])
    expect(core('domain/service-session.ts', '// kafka topic')).toEqual(['word:1'])
  })
})

describe('time and chance', () => {
  it.each([
    'const a = Date.now()',
    'const f = Date.now',
    'const a = globalThis.Date.now()',
    'const a = new Date()',
    'const a = new Date',
    'const a = Date()',
    'setTimeout(f, 1)',
    'const { setTimeout: later } = globalThis',
    'const later = setInterval',
    'const o = { setImmediate }',
    'globalThis.setTimeout(f, 1)',
    'window.setInterval(f, 1)',
    'performance.now()',
    'globalThis.performance.now()',
    'Math.random()',
    'crypto.randomUUID()',
    'globalThis.crypto.getRandomValues(a)',
    `import { randomUUID } from 'node:crypto'`,
    `import { randomBytes as bytes } from 'node:crypto'`,
    `import { setTimeout as sleep } from 'node:timers/promises'`,
    'AbortSignal.timeout(5)',
    'process.hrtime.bigint()',
  ])('finds it in: %s', (text) => {
    expect(core('app/a.ts', text)).not.toEqual([])
    expect(sdk('a.ts', text)).toContain('clock:1')
    expect(core('runtime/a.ts', text)).toEqual([])
    expect(sdk('runtime/a.ts', text)).toEqual([])
    expect(rulesOf('packages/server-core/test/a.test.ts', text)).toEqual([])
  })

  it.each([
    'const a = new Date(timestamp).toISOString()',
    'clock.setTimeout(f, 1)',
    'interface Timers { setTimeout(fn: () => void): void; performance: number }',
    'const stats = { performance: 1 }',
    'const a = stats.performance',
    'type Handle = ReturnType<typeof setTimeout>',
    '// Date.now() would step backwards',
    'ids.random()',
  ])('lets pass: %s', (text) => {
    expect(core('app/a.ts', text)).toEqual([])
  })

  it('lets accounts draw a salt, and nothing else', () => {
    expect(core('accounts/password.ts', `import { randomBytes } from 'node:crypto'\nrandomBytes(16)`)).toEqual([])
    expect(core('accounts/password.ts', 'Math.random()')).toEqual(['clock:1'])
    expect(core('accounts/password.ts', `import { randomUUID } from 'node:crypto'`)).toEqual(['clock:1'])
  })
})

describe('size', () => {
  it('warns above 300 lines and fails above 400', () => {
    const lines = (count: number) => 'const a = 1\n'.repeat(count)
    const severities = (count: number) => checkSource('packages/protocol/src/a.ts', lines(count)).map(({ severity }) => severity)
    expect(severities(300)).toEqual([])
    expect(severities(301)).toEqual(['warning'])
    expect(severities(400)).toEqual(['warning'])
    expect(severities(401)).toEqual(['error'])
    expect(checkSource('packages/protocol/test/a.test.ts', lines(900))).toEqual([])
  })
})
