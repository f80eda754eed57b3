import { systemClock, systemIds } from '@innerline/server-core'
import { expect, describe, it } from 'vitest'
import { ConnectionPool } from '../src/connection-pool.js'
import { endConnection } from '../src/database.js'
import { openWithMysql2 } from '../src/driver.js'
import { sql } from '../src/sql.js'
import { testServers } from './support/servers.js'

for (const { name: server, uri } of testServers) {
  describe(`a connection that has been given up on ${server}`, () => {
    const open = () => openWithMysql2({ uri })

    it('is ended by its name, and no other, also where its number is somebody else’s', async () => {
      const given: string[] = []
      const pool = new ConnectionPool({
        ...{ open, clock: systemClock, limit: 2, acquireMs: 5_000, deadlineMs: 500 },
        newName: () => `test:${systemIds().uuid()}`,
        onDeadline: (name) => given.push(name),
      })
      const [hanging, bystander] = [await pool.acquire(), await pool.acquire()]
      await expect(hanging.run([sql`DO SLEEP(20)`])).rejects.toMatchObject({ code: 'INNERLINE_DEADLINE' })
      expect(given).toHaveLength(1)
      const [name = ''] = given
      const [rows] = await bystander.run([sql`SELECT COUNT(*) AS n FROM information_schema.processlist WHERE info='DO SLEEP(20)'`])
      expect(Number((rows as { n: unknown }[])[0]?.n)).toBeGreaterThan(0)
      // As of a server that has been started again: nobody has that name.
      await endConnection(open, systemClock, `${name}x`)
      await bystander.run([sql`DO 0`])
      const { threadId } = hanging.raw
      const sleeps = async () => {
        const [found] = await bystander.run([sql`SELECT id FROM information_schema.processlist WHERE id=${threadId ?? 0}`])
        return (found as unknown[]).length
      }
      expect(await sleeps()).toBe(1)
      await endConnection(open, systemClock, name)
      await expect.poll(sleeps, { timeout: 5_000 }).toBe(0)
      await bystander.run([sql`DO 0`])
      pool.discard(hanging)
      pool.release(bystander)
      await pool.close()
    })
  })
}
