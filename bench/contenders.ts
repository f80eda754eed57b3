import type { ConnectClient } from './wire/client.js'
import { connectRaw } from './wire/raw.js'
import { connectSocketIo } from './wire/socket-io.js'
import { connectStomp } from './wire/stomp.js'

export interface Contender {
  readonly name: string
  /** File in `servers/`, without `.mjs`. */
  readonly server: string
  readonly connect: ConnectClient
}

export const RAW: Contender = { name: 'raw ws', server: 'raw-ws', connect: connectRaw }
export const INNERLINE: Contender = { name: 'innerline', server: 'innerline', connect: connectStomp }

/** In the order in which each round runs them. */
export const CONTENDERS: readonly Contender[] = [RAW, { name: 'socket.io', server: 'socket-io', connect: connectSocketIo }, INNERLINE]
