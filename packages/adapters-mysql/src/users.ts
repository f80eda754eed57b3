import { ImError } from '@innerline/protocol'
import type { StoredUser, UserStorage } from '@innerline/server-core'
import type { Database } from './database.js'
import { userOf } from './rows.js'
import { bytes, id, ids, isStorableId, listed, Sql, sql, text } from './sql.js'

/** Users of the built-in accounts. */
export function userStorage(database: Database): UserStorage {
  const { user } = database.tables
  // As bytes: a borrowed connection may have a charset that lacks half of them.
  const columns = sql`u.user_id,u.user_type,CAST(u.display_name AS BINARY) AS display_name,u.avatar,u.roles,u.password_hash`
  return {
    async readUsers(userIds) {
      if (userIds.length === 0) return []
      const rows = await database.read(sql`SELECT ${columns} FROM ${user} u WHERE u.user_id IN (${ids(new Set(userIds))})`)
      return rows.map(userOf)
    },
    async searchUsers(wanted, limit) {
      // LOCATE instead of LIKE: what people type is text, not a pattern.
      const needle = sql`LOWER(${text(wanted)})`
      const rows = await database.read(
        sql`SELECT ${columns} FROM ${user} u WHERE LOCATE(${needle},LOWER(CONVERT(u.user_id USING utf8mb4)) COLLATE utf8mb4_bin)>0 OR LOCATE(${needle},LOWER(u.display_name))>0 ORDER BY u.user_id LIMIT ${limit}`,
      )
      return rows.map(userOf)
    },
    async putUser(stored) {
      if (!isStorableId(stored.userId)) throw new ImError('INVALID_REQUEST', { detail: 'This user id cannot be stored.' })
      const { userType, displayName, avatar, roles, passwordHash }: StoredUser = stored
      const row = [id(userType), text(displayName), bytes(avatar), bytes(JSON.stringify(roles)), bytes(passwordHash), database.clock.now()]
      const names = ['user_type', 'display_name', 'avatar', 'roles', 'password_hash', 'updated_at']
      const assignments = row.map((value, i) => sql`${new Sql(names[i] as string)}=${value}`)
      await database.run(
        sql`INSERT INTO ${user} (user_id,user_type,display_name,avatar,roles,password_hash,updated_at) VALUES (${id(stored.userId)},${listed(
          row,
        )}) ON DUPLICATE KEY UPDATE ${listed(assignments)}`,
      )
    },
  }
}
