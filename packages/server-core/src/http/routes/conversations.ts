import { limitParam } from '../pages.js'
import { choice, text } from '../param.js'
import { type Route, route } from '../route.js'
import { conversationPage } from '../schemas.js'

/** The caller's conversations. */
export const conversationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    pattern: '/api/im/conversations',
    operationId: 'listConversations',
    summary: "The caller's conversations that have entries, newest first.",
    query: {
      chatType: choice('Only conversations of this kind.', ['direct', 'group', 'service']),
      cursor: text('`next` of the page before, with the same chatType.', 1_024),
      limit: limitParam,
    },
    answer: conversationPage,
    refusals: [],
    handle: async (principal, { context, query }) => JSON.stringify(await context.app.conversations.page(principal, query)),
  }),
]
