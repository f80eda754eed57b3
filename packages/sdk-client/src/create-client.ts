import type { ImClient } from './api/client.js'
import type { ImClientOptions } from './api/options.js'
import { createClient } from './client.js'

/** Makes a client. Nothing happens before `connect()`: no timer, no listener, no request, no storage. */
export function createImClient(options: ImClientOptions): ImClient {
  return createClient(options)
}
