import { PAGE } from '@innerline/protocol'
import { limitParam, entriesJson, pageJson } from '../pages.js'
import { conversation, integer, invalidParam, msgId } from '../param.js'
import { type Route, route } from '../route.js'
import { messagePage, offsetPage } from '../schemas.js'

const sessionId = conversation('A conversation id, or a bare service session id.')

/** A conversation's history, at the seed's paths. */
export const historyRoutes: readonly Route[] = [
  route({
    method: 'GET',
    pattern: '/api/chat/messages/session/:sessionId',
    operationId: 'listHistory',
    summary: 'A page of history, ascending: before or after one place (exclusive; at most one of the four), or the newest.',
    path: { sessionId },
    query: {
      beforeId: msgId('Entries before this message.'),
      beforeMessageId: msgId('The same as beforeId.'),
      beforeSeq: integer('Entries below this seq.'),
      afterSeq: integer('Entries above this seq.'),
      beforeTime: integer('Entries older than this (epoch ms); go on with beforeSeq.'),
      limit: limitParam,
    },
    answer: messagePage,
    refusals: ['NOT_FOUND'],
    handle: async (principal, { context, path, query }) => {
      const { beforeId, beforeMessageId, ...places } = query
      if (beforeId !== undefined && beforeMessageId !== undefined)
        throw invalidParam('beforeMessageId', 'is the same as beforeId; give one')
      return pageJson(await context.app.read.history(principal, path.sessionId, { ...places, beforeId: beforeId ?? beforeMessageId }))
    },
  }),
  route({
    method: 'GET',
    pattern: '/api/chat/messages/session/:sessionId/page',
    operationId: 'listHistoryByOffset',
    summary: 'Entries by offset from the newest, descending, with the number of all visible ones.',
    path: { sessionId },
    query: { offset: integer('0 is the newest entry.'), limit: limitParam },
    answer: offsetPage,
    refusals: ['NOT_FOUND'],
    handle: async (principal, { context, path, query }) => {
      const { offset = 0, limit = PAGE.default } = query
      const { entries, total } = await context.app.read.byOffset(principal, path.sessionId, offset, limit)
      return `{"items":${entriesJson(entries)},"total":${total},"offset":${offset},"limit":${limit}}`
    },
  }),
]
