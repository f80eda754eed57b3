import type { IncomingMessage } from 'node:http'
import { loginRequest } from '../../app/requests.js'
import { openRoute, type Route, type SignIn } from '../route.js'
import { loginAnswer } from '../schemas.js'

/** Signing in; there only with the built-in accounts. */
export const authRoutes: readonly Route[] = [
  openRoute({
    method: 'POST',
    pattern: '/api/im/auth/login',
    operationId: 'login',
    summary: 'Exchanges a user name and a password for a token. A wrong name and a wrong password answer the same.',
    body: loginRequest,
    answer: loginAnswer,
    refusals: ['UNAUTHORIZED', 'RATE_LIMITED', 'BUSY'],
    offered: ({ accounts }) => accounts !== undefined,
    handle: async ({ context, body, req }) => {
      const { username, password, deviceId } = body
      const request = { username, password, ...(deviceId === undefined ? {} : { deviceId }) }
      return JSON.stringify(await (context.accounts as SignIn).login(request, addressOf(req)))
    },
  }),
]

/** Express's `req.ip` first: it follows the host's `trust proxy`, while a forwarded header of itself is the client's word. */
function addressOf(req: IncomingMessage): string | undefined {
  const { ip } = req as { readonly ip?: unknown }
  return typeof ip === 'string' ? ip : req.socket.remoteAddress
}
