import type { StoredUser, UserStorage } from '../ports/storage.js'
import { assertOpen, type MemoryContext } from './context.js'

/** Users of the built-in accounts. */
export function userStorage(context: MemoryContext): UserStorage {
  const { users } = context.data
  return {
    async readUsers(userIds) {
      assertOpen(context)
      return [...new Set(userIds)].flatMap((userId) => {
        const user = users.get(userId)
        return user === undefined ? [] : [copyOf(user)]
      })
    },
    async searchUsers(text, limit) {
      assertOpen(context)
      const wanted = text.toLowerCase()
      return [...users.values()]
        .filter((user) => user.userId.toLowerCase().includes(wanted) || user.displayName.toLowerCase().includes(wanted))
        .sort((a, b) => (a.userId < b.userId ? -1 : 1))
        .slice(0, limit)
        .map(copyOf)
    },
    async putUser(user) {
      assertOpen(context)
      users.set(user.userId, copyOf(user))
    },
  }
}

const copyOf = (user: StoredUser): StoredUser => ({ ...user, roles: [...user.roles] })
