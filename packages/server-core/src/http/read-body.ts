import { ImError } from '@innerline/protocol'
import type { IncomingMessage } from 'node:http'

/** What a client may still send after it was refused, before its socket is destroyed. */
const DISCARD_BYTES = 1024 * 1024

/**
 * The JSON of a request body, at most `maxBytes`, whether or not a body parser ran before.
 * Rejects `UNSUPPORTED_MEDIA_TYPE`, `TOO_LARGE`, or `INVALID_REQUEST` when it is not JSON or was consumed by somebody
 * who left nothing behind.
 */
export async function readJson(req: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = mediaType(req.headers['content-type'])
  if (type.name !== 'application/json') throw new ImError('UNSUPPORTED_MEDIA_TYPE')
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const parsed = (req as { body?: unknown }).body
  if (req.readableDidRead) {
    if (parsed === undefined) {
      throw new ImError('INVALID_REQUEST', {
        detail: 'Something in front of the router has read the body and left no req.body; let it leave these paths alone or parse JSON.',
      })
    }
    return fromParser(parsed, maxBytes)
  }
  // Some parsers set `req.body = {}` for types that are not theirs and leave the stream alone: the stream is then the truth.
  const { 'content-encoding': encoding } = req.headers
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new ImError('UNSUPPORTED_MEDIA_TYPE', { detail: 'The body must not be compressed.' })
  }
  if (type.charset !== undefined && type.charset !== 'utf-8' && type.charset !== 'utf8') {
    throw new ImError('UNSUPPORTED_MEDIA_TYPE', { detail: 'The body must be UTF-8.' })
  }
  const bytes = await readBytes(req, maxBytes)
  if (bytes.length === 0 && parsed !== undefined) return fromParser(parsed, maxBytes)
  return parseJson(bytes)
}

/** Lets the client finish what it is sending and throws it away, up to a bound: an answer in mid-upload would otherwise be lost to a reset. */
export function discardRest(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return
  let rest = DISCARD_BYTES
  req.on('data', (chunk: Buffer | string) => {
    rest -= chunk.length
    if (rest < 0) req.destroy()
  })
  req.resume()
}

function mediaType(header: string | undefined): { readonly name: string; readonly charset: string | undefined } {
  const [name = '', ...parameters] = (header ?? '').toLowerCase().split(';')
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1])
    .find((found) => found !== undefined)
  return { name: name.trim(), charset }
}

/** `express.raw()` and `express.text()` leave the bytes or the text; `express.json()` the value. */
function fromParser(parsed: unknown, maxBytes: number): unknown {
  if (typeof parsed !== 'string' && !(parsed instanceof Uint8Array)) return parsed
  const bytes = typeof parsed === 'string' ? Buffer.from(parsed) : parsed
  if (bytes.length > maxBytes) throw tooLarge(maxBytes)
  return parseJson(bytes)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new ImError('INVALID_REQUEST', { detail: 'The body is not valid JSON in UTF-8.' })
  }
}

function readBytes(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = (): void => {
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
    }
    const onData = (chunk: Buffer | string): void => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      size += bytes.length
      if (size > maxBytes) {
        stop()
        // Nobody listens any more; discardRest() takes over once the answer is out.
        req.pause()
        reject(tooLarge(maxBytes))
        return
      }
      chunks.push(bytes)
    }
    const onEnd = (): void => {
      stop()
      resolve(Buffer.concat(chunks))
    }
    const onGone = (): void => {
      stop()
      reject(new ImError('INVALID_REQUEST', { detail: 'The body ended early.' }))
    }
    if (req.destroyed) return onGone()
    req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

const tooLarge = (maxBytes: number): ImError => new ImError('TOO_LARGE', { detail: `A request body may have ${maxBytes} bytes.` })
