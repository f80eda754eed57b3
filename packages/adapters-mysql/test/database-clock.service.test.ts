import type { Connection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseNow } from '../src/sql.js'
import { connect, freshNamespace, rowsOf } from './support/scratch.js'
import { testServers } from './support/servers.js'

/** 2026-10-25T01:00:00Z: clocks in Berlin go back from 3 to 2, and the hour from 2 to 3 is had twice. */
const BACK = 1_792_890_000

for (const { name, uri } of testServers) {
  describe(`the database's clock on ${name}, as daylight saving ends`, () => {
    const zone = `Test/${freshNamespace()}`
    let connection: Connection
    let id = 0
    beforeAll(async () => {
      connection = await connect(uri, { database: 'mysql' })
      await connection.query("INSERT INTO time_zone (Use_leap_seconds) VALUES ('N')")
      id = Number((await rowsOf(connection, 'SELECT LAST_INSERT_ID() AS id'))[0]?.['id'])
      await connection.query(`INSERT INTO time_zone_name VALUES ('${zone}', ${id});
        INSERT INTO time_zone_transition_type VALUES (${id}, 0, 7200, 1, 'S'), (${id}, 1, 3600, 0, 'W');
        INSERT INTO time_zone_transition VALUES (${id}, ${BACK - 20_000_000}, 0), (${id}, ${BACK}, 1), (${id}, ${BACK + 20_000_000}, 0)`)
      await connection.query(`SET time_zone = '${zone}'`)
    })
    afterAll(async () => {
      for (const [table, column] of Object.entries({ time_zone_transition: 'Time_zone_id', time_zone_transition_type: 'Time_zone_id' }))
        await connection.query(`DELETE FROM ${table} WHERE ${column} = ${id}`)
      await connection.query(`DELETE FROM time_zone_name WHERE Name = '${zone}'; DELETE FROM time_zone WHERE Time_zone_id = ${id}`)
      await connection.end()
    })

    it.each([-7_200, -1_800, 0, 1_800, 7_200])('is right %i s from then, in a session of that zone', async (seconds) => {
      await connection.query(`SET timestamp = ${BACK + seconds}.25`)
      const [row] = await rowsOf(connection, `SELECT ${databaseNow.text} AS ms`)
      expect(Number(row?.['ms'])).toBe((BACK + seconds) * 1_000 + 250)
    })
  })
}
