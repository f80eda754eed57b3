import { describe, expect, it } from 'vitest'
import { BackendRefused, chooseBackends } from '../src/backends.js'

describe('backends', () => {
  it('are memory where the environment names none', () => {
    expect(chooseBackends({})).toEqual({})
    expect(chooseBackends({ MYSQL_URL: '' })).toEqual({})
  })

  it('keep the log in the database that is named, which is not asked before the start', () => {
    const { storage } = chooseBackends({ MYSQL_URL: 'mysql://im@127.0.0.1:1/im' })
    expect(storage?.capabilities.durable).toBe(true)
  })

  it.each(['REDIS_URL', 'KAFKA_BROKERS'])('%s is refused with a sentence that names it, never left out', (variable) => {
    expect(() => chooseBackends({ [variable]: 'somewhere' })).toThrow(BackendRefused)
    expect(() => chooseBackends({ [variable]: 'somewhere' })).toThrow(
      new RegExp(`^${variable} is set, but @innerline/adapters-.* not built yet`),
    )
  })
})
