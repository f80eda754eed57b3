import { isImError } from '@innerline/protocol'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { redisBus, redisPresence, redisRateLimiter, redisUnreadBadges } from '../src/index.js'

describe('an adapter that is announced but not built', () => {
  it.each([
    ['redisPresence', () => redisPresence({ client: {} }), 'presence'],
    ['redisUnreadBadges', () => redisUnreadBadges({ client: {} }), 'badges'],
    ['redisRateLimiter', () => redisRateLimiter({ client: {} }), 'rateLimiter'],
    ['redisBus', () => redisBus({ client: {} }), 'bus'],
  ])('%s says so, and what to use meanwhile', (name, call, option) => {
    expectTypeOf(call).returns.toBeNever()
    let thrown: unknown
    try {
      call()
    } catch (error) {
      thrown = error
    }
    if (!isImError(thrown, 'UNSUPPORTED')) throw new Error('expected an ImError UNSUPPORTED', { cause: thrown })
    expect(thrown.retry).toBe('never')
    expect(thrown.message).toContain('@innerline/adapters-redis is not built yet')
    expect(thrown.detail).toContain(`${name}()`)
    expect(thrown.detail).toContain(`Leave \`${option}\` out of createImServer`)
  })
})
