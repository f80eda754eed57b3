import type { BenchDatabase } from './databases.js'
import type { ConnectClient } from './wire/client.js'
import { connectRaw } from './wire/raw.js'
import { connectSocketIo } from './wire/socket-io.js'
import { connectStomp } from './wire/stomp.js'

export interface Contender {
  readonly name: string
  /** File in `servers/`, without `.mjs`. */
  readonly server: string
  readonly connect: ConnectClient
  /** The database that the server stores in; without one it stores nothing, or in its own memory. */
  readonly database?: BenchDatabase | undefined
}

export const RAW: Contender = { name: 'raw ws', server: 'raw-ws', connect: connectRaw }
export const INNERLINE: Contender = { name: 'innerline', server: 'innerline', connect: connectStomp }

/** In the order in which each round runs them. */
export const CONTENDERS: readonly Contender[] = [RAW, { name: 'socket.io', server: 'socket-io', connect: connectSocketIo }, INNERLINE]

/** Innerline's server on memory, then on each database. */
export const onStorages = (databases: readonly BenchDatabase[]): readonly [Contender, ...Contender[]] => [
  { ...INNERLINE, name: 'memory' },
  ...databases.map((database) => ({ ...INNERLINE, name: database.title, database })),
]
