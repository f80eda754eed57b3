import { ImError } from '@innerline/protocol'
import type { ImClient } from './api/client.js'
import type { ImClientOptions } from './api/options.js'

/** Makes a client. Nothing happens before `connect()`: no timer, no listener, no request. */
export function createImClient(_options: ImClientOptions): ImClient {
  throw new ImError('UNSUPPORTED', { detail: 'under construction' })
}
