import { profileOf } from '../profiles.js'
import { type Route, route } from '../route.js'
import { me } from '../schemas.js'

/** Who the caller is. */
export const meRoutes: readonly Route[] = [
  route({
    method: 'GET',
    pattern: '/api/im/me',
    operationId: 'getMe',
    summary: 'The caller as the server sees them. Without a directory, or an entry in it, the name is the id.',
    answer: me,
    refusals: [],
    handle: async (principal, { context }) => {
      const { userId, userType, deviceId, roles = [], expiresAt } = principal
      const [found] = (await context.directory?.profiles([userId])) ?? []
      const profile = found === undefined ? { userId, userType, displayName: userId } : profileOf(found)
      // Identity is the principal's, whatever the directory says.
      return JSON.stringify({ ...profile, userId, userType, deviceId, roles, expiresAt })
    },
  }),
]
