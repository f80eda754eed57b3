import { ImError, PAGE } from '@innerline/protocol'
import { limitParam } from '../pages.js'
import { text, userIds } from '../param.js'
import { profileOf } from '../profiles.js'
import { type Route, route } from '../route.js'
import { userList } from '../schemas.js'

/** The host's people, as far as its directory shows them. */
export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    pattern: '/api/im/users',
    operationId: 'listUsers',
    summary: 'Profiles by id (unknown ones are left out), or people matching a text. Exactly one of ids and q.',
    query: {
      ids: userIds(`Up to ${PAGE.max} user ids, separated by commas.`, PAGE.max),
      q: text('A part of a name or an id.', 64),
      limit: limitParam,
    },
    answer: userList,
    refusals: ['UNSUPPORTED'],
    handle: async (_principal, { context, query }) => {
      const { directory } = context
      const { ids, q, limit = PAGE.default } = query
      if ((ids === undefined) === (q === undefined)) throw new ImError('INVALID_REQUEST', { detail: 'Exactly one of ids and q is needed.' })
      if (directory === undefined) throw new ImError('UNSUPPORTED', { detail: 'This service has no user directory.' })
      if (ids !== undefined) return JSON.stringify({ items: (await directory.profiles(ids)).map(profileOf) })
      if (directory.search === undefined) throw new ImError('UNSUPPORTED', { detail: 'The user directory of this service cannot search.' })
      const found = await directory.search(q as string, limit)
      return JSON.stringify({ items: found.slice(0, limit).map(profileOf) })
    },
  }),
]
