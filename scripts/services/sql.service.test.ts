import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
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

  it('that has been killed is started again on its own data and port by who has only its record', async () => {
    const [killed] = (await startService('mariadb')).instances
    writeFileSync(join(killed.folder, 'data/mark'), '')
    await killed.kill9()
    const { folder, port } = killed
    const again = await startService('mariadb', { again: { folder, port } })
    try {
      expect(again.url).toContain(`:${port}/`)
      expect(await greetingOf(port)).toMatch(/mariadb/i)
      expect(existsSync(join(folder, 'data/mark'))).toBe(true)
      await again.instances[0].kill9()
      // Its data are all somebody has: a start that fails does not take them away.
      const other = createServer().listen(port, '127.0.0.1')
      await once(other, 'listening')
      await expect(startService('mariadb', { again: { folder, port } })).rejects.toThrow(/ended before it was ready/)
      other.close()
      expect(existsSync(join(folder, 'data/mark'))).toBe(true)
    } finally {
      await again.stop()
    }
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
