import { expect, it } from 'vitest'
import { rateLimiterContract } from '../../src/contract/index.js'
import { memoryRateLimiter } from '../../src/memory/rate-limiter.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'

const make = async () => {
  const clock = new TestClock()
  const limiter = memoryRateLimiter({ clock })
  return { clock, ids: new TestIds(), limiter, advance: (ms: number) => clock.advance(ms), dispose: () => limiter.close() }
}

rateLimiterContract('memory', make)

it('answers at once', async () => {
  expect((await make()).limiter.take('ann', { perSecond: 1, burst: 1 })).toEqual({ ok: true })
})
