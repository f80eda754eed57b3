import { ackRequest } from '../../app/requests.js'
import { limitParam, pageJson } from '../pages.js'
import { conversation, integer } from '../param.js'
import { type Route, route } from '../route.js'
import { ackAnswer, offlinePage, summary } from '../schemas.js'

/** What came while a client was away, and saying that it has come. */
export const offlineRoutes: readonly Route[] = [
  route({
    method: 'GET',
    pattern: '/api/im/offline/summary',
    operationId: 'getOfflineSummary',
    summary: 'The newest 100 conversations with positions and unread counts; the rest by /api/im/conversations.',
    answer: summary,
    refusals: [],
    handle: async ({ userId }, { context }) => JSON.stringify(await context.app.conversations.summary(userId)),
  }),
  route({
    method: 'GET',
    pattern: '/api/im/offline/:conversationId',
    operationId: 'listOffline',
    summary: 'A page of what came after a position, ascending. What lies below floorSeq is gone, not missing.',
    path: { conversationId: conversation('A conversation id, or a bare service session id.') },
    query: {
      afterSeq: integer("The last seq this device holds; the stored deliveredSeq unless given, which serves a user's only device."),
      limit: limitParam,
    },
    answer: offlinePage,
    refusals: ['NOT_FOUND'],
    handle: async (principal, { context, path, query }) => pageJson(await context.app.read.offline(principal, path.conversationId, query)),
  }),
  route({
    method: 'POST',
    pattern: '/api/im/offline/ack',
    operationId: 'acknowledge',
    summary: 'Moves positions forward, never back. Conversations the caller is not in are left out of the answer.',
    body: ackRequest,
    answer: ackAnswer,
    refusals: ['EPOCH_CHANGED'],
    handle: async (principal, { context, body }) => JSON.stringify({ acks: await context.app.acknowledge.now(principal, body) }),
  }),
]
