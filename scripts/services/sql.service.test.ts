import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readRecords } from './folders.js'
import { startService } from './provide.js'
import { greetingOf } from './sql-greeting.js'

describe.skipIf(!process.env.MARIADB_URL)('a private MariaDB', () => {
  it('is one of its own, survives kill -9 on its port and leaves nothing behind', async () => {
    const [service, other] = await Promise.all([startService('mariadb'), startService('mariadb')])
    const [instance] = service.instances
    try {
      expect(service.url).not.toBe(other.url)
      const first = instance.pid
      await instance.kill9()
      expect(await greetingOf(instance.port)).toBeUndefined()
      expect(await greetingOf(other.instances[0].port)).toMatch(/mariadb/i)
      await instance.restart()
      expect(instance.pid).not.toBe(first)
      expect(await greetingOf(instance.port)).toMatch(/mariadb/i)
    } finally {
      await Promise.all([service.stop(), other.stop()])
    }
    expect(await greetingOf(instance.port)).toBeUndefined()
    expect(existsSync(instance.folder)).toBe(false)
    expect(readRecords().some(({ folder }) => folder === instance.folder)).toBe(false)
  })
})

describe('the URLs given to tests', () => {
  it('brings MariaDB wherever it is required', () => {
    if (process.env.CI) expect(process.env.MARIADB_URL).toMatch(/^mysql:/)
  })

  it.skipIf(!process.env.MYSQL9_URL)('is a MySQL 9 where it says so', async () => {
    expect(await greetingOf(Number(new URL(process.env.MYSQL9_URL ?? '').port))).toMatch(/^9\./)
  })
})
