import { isImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { PasswordHashes } from '../../src/accounts/password-hash.js'
import { cheapHash } from './cheap-hash.js'

describe('PasswordHashes', () => {
  const hashes = new PasswordHashes()

  it('knows a password again, and no other', async () => {
    const hash = await hashes.create('correct horse 王')
    expect(hash).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/)
    expect(await hashes.matches('correct horse 王', hash)).toBe(true)
    expect(await hashes.matches('correct horse 王 ', hash)).toBe(false)
    expect(await hashes.matches('', hash)).toBe(false)
  })

  it('salts each hash', async () => {
    expect(await hashes.create('same')).not.toBe(await hashes.create('same'))
  })

  it('goes by the parameters of the stored hash', async () => {
    expect(await hashes.matches('old', cheapHash('old'))).toBe(true)
    expect(await hashes.matches('old', cheapHash('old', { ln: 5, r: 2, p: 3 }))).toBe(true)
    expect(await hashes.matches('new', cheapHash('old'))).toBe(false)
  })

  it('takes the same characters, however they were typed', async () => {
    expect(await hashes.matches('cafe\u0301', cheapHash('caf\u00e9'))).toBe(true)
  })

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['another kind', '$2b$10$abcdefghijklmnopqrstuv'],
    ['a cost of nothing', cheapHash('x').replace('ln=4', 'ln=0')],
    ['more memory than we spend', cheapHash('x').replace('ln=4', 'ln=30')],
    ['a missing key', cheapHash('x').replace(/\$[^$]*$/, '$')],
  ])('refuses every password for %s, without throwing', async (_what, hash) => {
    expect(await hashes.matches('x', hash)).toBe(false)
  })

  it('computes as much for nobody as for a wrong password', async () => {
    const hash = await hashes.create('right')
    const fastest = { nobody: Number.POSITIVE_INFINITY, wrong: Number.POSITIVE_INFINITY }
    // Taken in turns, so that a busy machine slows both alike.
    for (let i = 0; i < 5; i++) {
      for (const [name, stored] of [
        ['nobody', undefined],
        ['wrong', hash],
      ] as const) {
        const from = process.hrtime.bigint()
        await hashes.matches('wrong', stored)
        fastest[name] = Math.min(fastest[name], Number(process.hrtime.bigint() - from))
      }
    }
    // Leaving the computation out makes it about 0.001; the rest is the machine's noise.
    expect(fastest.nobody / fastest.wrong).toBeGreaterThan(0.2)
    expect(fastest.nobody / fastest.wrong).toBeLessThan(5)
  })

  it('answers BUSY when 2 are computed and 64 wait', async () => {
    const flooded = new PasswordHashes()
    const cheap = cheapHash('x')
    const outcomes = await Promise.allSettled(Array.from({ length: 68 }, () => flooded.matches('x', cheap)))
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(2)
    expect(refused.every(({ reason }) => isImError(reason, 'BUSY'))).toBe(true)
    expect(await flooded.matches('x', cheap)).toBe(true)
  })
})
