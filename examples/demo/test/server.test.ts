import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BackendRefused, chooseBackends } from '../src/backends.js'
import { tokenSecret } from '../src/token-secret.js'

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

describe('the secret of the sign-ins', () => {
  const MYSQL_URL = 'mysql://im@127.0.0.1:1/im'
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'innerline-demo-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is another at every start in memory, and the same at every start with a database', () => {
    const file = join(folder, 'not/yet/there')
    expect(tokenSecret({}, file)).not.toBe(tokenSecret({}, file))
    const secret = tokenSecret({ MYSQL_URL }, file)
    expect(secret).toMatch(/^[0-9a-f]{64}$/)
    expect(tokenSecret({ MYSQL_URL }, file)).toBe(secret)
    expect(statSync(file).mode & 0o077, 'nobody else may read it').toBe(0)
  })

  it('is the one that is given, on any machine', () => {
    expect(tokenSecret({ MYSQL_URL, DEMO_SECRET: 'given' }, folder)).toBe('given')
    expect(tokenSecret({ DEMO_SECRET: 'given' }, folder)).toBe('given')
  })

  it('is asked for where it cannot be kept', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => tokenSecret({ MYSQL_URL }, join(file, 'secret'))).toThrow(/cannot be kept.*DEMO_SECRET/)
  })
})
