import { sendRequest } from '../../app/requests.js'
import { messageJson } from '../../domain/message-json.js'
import { msgId } from '../param.js'
import { type Route, route } from '../route.js'
import { chatMessage, sentMessage } from '../schemas.js'

/** Sending, and one message by its id. */
export const messageRoutes: readonly Route[] = [
  route({
    method: 'POST',
    pattern: '/api/im/messages',
    operationId: 'sendMessage',
    summary: 'Sends a message. With a msgId of the caller a retry is safe; without one the server makes it, and then it is not.',
    body: sendRequest,
    answer: sentMessage,
    refusals: [
      'REJECTED',
      'FORBIDDEN',
      'NOT_MEMBER',
      'NOT_FRIEND',
      'BLOCKED',
      'MUTED',
      'NOT_FOUND',
      'MSG_ID_CONFLICT',
      'STATE_CONFLICT',
      'SESSION_CLOSED',
      'RATE_LIMITED',
      'DRAINING',
    ],
    handle: async (principal, { context, body }) => JSON.stringify(await context.app.send.execute(principal, body)),
  }),
  route({
    method: 'GET',
    pattern: '/api/im/messages/:msgId',
    operationId: 'getMessage',
    summary: 'One message that the caller may see.',
    path: { msgId: msgId('The message.') },
    answer: chatMessage,
    refusals: ['NOT_FOUND'],
    handle: async (principal, { context, path }) => messageJson(await context.app.read.message(principal, path.msgId)),
  }),
]
