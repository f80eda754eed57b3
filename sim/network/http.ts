import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestHandler } from '@innerline/server-core'

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/**
 * Hands one request to a router over the parts of node:http that it touches, and `answered` what it says (undefined: it broke off). No
 * streams: they bring event-loop turns of their own.
 */
export function serve(
  router: RequestHandler,
  request: { readonly method: string; readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body?: string },
  answered: (answer: HttpAnswer | undefined) => void,
): void {
  const { method, url, headers, body } = request
  const req = {
    ...{ method, url, headers, body, httpVersionMajor: 1, complete: true, destroyed: false, readableDidRead: body !== undefined },
    socket: { remoteAddress: '192.0.2.1' },
  }
  let status = 200
  const res = {
    ...{ destroyed: false, headersSent: false, writableEnded: false },
    on: () => res,
    off: () => res,
    writeHead(code: number) {
      status = code
      res.headersSent = true
      return res
    },
    end(text = '') {
      res.writableEnded = true
      answered({ status, text })
    },
    destroy() {
      res.destroyed = true
      answered(undefined)
    },
  }
  router(req as unknown as IncomingMessage, res as unknown as ServerResponse)
}

/** The part of a fetch Response that the SDK reads. */
export const responseOf = ({ status, text }: HttpAnswer): Response =>
  ({ ok: status >= 200 && status < 300, status, text: () => Promise.resolve(text) }) as Response
