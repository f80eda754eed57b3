import { describe, expect, it } from 'vitest'
import type { Current, RateLimiterHarness } from './harness.js'
import { sharedHarness } from './lifecycle.js'
import type { RateDecision, RateRule } from '../ports/rate-limiter.js'

/** What every RateLimiter must do. */
export function rateLimiterContract(
  name: string,
  make: () => Promise<RateLimiterHarness>,
  additional?: (current: Current<RateLimiterHarness>) => void,
): void {
  describe(`RateLimiter: ${name}`, () => {
    const current = sharedHarness(make)
    const slow: RateRule = { perSecond: 0.5, burst: 3 }
    const takeMany = async (key: string, rule: RateRule, times: number): Promise<RateDecision[]> => {
      const decisions: RateDecision[] = []
      for (let i = 0; i < times; i++) decisions.push(await current().limiter.take(key, rule))
      return decisions
    }
    const allowed = (decisions: readonly RateDecision[]): number => decisions.filter((decision) => decision.ok).length

    it('lets a burst through and no more, and says how long to wait', async () => {
      const decisions = await takeMany(current().ids.uuid(), slow, 6)
      expect(decisions.map((decision) => decision.ok)).toEqual([true, true, true, false, false, false])
      for (const decision of decisions.slice(3)) {
        if (decision.ok) continue
        expect(Number.isInteger(decision.retryAfterMs)).toBe(true)
        expect(decision.retryAfterMs).toBeGreaterThan(0)
        expect(decision.retryAfterMs).toBeLessThanOrEqual(2_000)
      }
    })

    it('gives one to who has waited as told, and only one', async () => {
      const key = current().ids.uuid()
      const rule: RateRule = { perSecond: 3, burst: 1 }
      await takeMany(key, rule, 1)
      for (let round = 0; round < 3; round++) {
        const [refused] = await takeMany(key, rule, 1)
        if (refused?.ok !== false) throw new Error('The bucket is empty.')
        await current().advance(refused.retryAfterMs)
        expect((await takeMany(key, rule, 2)).map((decision) => decision.ok)).toEqual([true, false])
      }
    })

    it('does not take from a refused caller', async () => {
      const key = current().ids.uuid()
      const rule: RateRule = { perSecond: 2, burst: 1 }
      await takeMany(key, rule, 20)
      await current().advance(600)
      expect(allowed(await takeMany(key, rule, 1))).toBe(1)
    })

    it('fills up to the burst and not beyond', async () => {
      const key = current().ids.uuid()
      const rule: RateRule = { perSecond: 20, burst: 4 }
      await takeMany(key, rule, 4)
      await current().advance(1_000)
      expect(allowed(await takeMany(key, rule, 4))).toBe(4)
      expect(allowed(await takeMany(key, { ...rule, perSecond: 0.01 }, 1))).toBe(0)
    })

    it('keeps keys apart', async () => {
      const key = current().ids.uuid()
      await takeMany(`${key}a`, slow, 5)
      expect(allowed(await takeMany(`${key}A`, slow, 1))).toBe(1)
      expect(allowed(await takeMany(`${key}:{x}*`, slow, 5))).toBe(3)
      expect(allowed(await takeMany('__proto__', slow, 1))).toBe(1)
    })

    it('gives out no more when many ask at once', async () => {
      const key = current().ids.uuid()
      const decisions = await Promise.all(Array.from({ length: 30 }, () => current().limiter.take(key, { perSecond: 0.1, burst: 10 })))
      expect(allowed(decisions)).toBe(10)
    })

    if (additional !== undefined) describe('additional', () => additional(current))
  })
}
