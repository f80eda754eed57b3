import { kafkaBus, kafkaEvents } from '@innerline/adapters-kafka'
import { mysqlStorage } from '@innerline/adapters-mysql'
import { redisBus, redisPresence } from '@innerline/adapters-redis'
import { type ImServerOptions, isImError } from '@innerline/server-core'

type Backends = Pick<ImServerOptions, 'storage' | 'presence' | 'bus' | 'events'>

/** The environment asks for what cannot be had. The message is a sentence to print. */
export class BackendRefused extends Error {}

/**
 * Where the state is kept: memory, unless the environment names a database, a Redis or a Kafka. One that is named and cannot be used throws
 * `BackendRefused`; it is never left out silently, as somebody would then trust a memory that forgets.
 */
export function chooseBackends(env: Readonly<Record<string, string | undefined>>): Backends {
  const { MYSQL_URL, REDIS_URL, KAFKA_BROKERS } = env
  // Kafka comes after Redis: where both are given, it is the bus.
  return {
    ...(MYSQL_URL ? asked('MYSQL_URL', () => ({ storage: mysqlStorage({ uri: MYSQL_URL, logger: toConsole }) })) : {}),
    ...(REDIS_URL ? asked('REDIS_URL', () => ({ presence: redisPresence({ client: {} }), bus: redisBus({ client: {} }) })) : {}),
    ...(KAFKA_BROKERS ? asked('KAFKA_BROKERS', () => ({ bus: kafkaBus({ kafka: {} }), events: kafkaEvents({ kafka: {} }) })) : {}),
  }
}

/** What the storage has to say of the database it is given, such as flags that make "acknowledged" less than crash-safe. */
const toConsole = { warn: (_fields: object, sentence: string) => console.warn(`Note: ${sentence}`) }

/** What an error says, without its code. */
export const wordsOf = (error: unknown): string =>
  isImError(error) ? (error.detail ?? error.message) : error instanceof Error ? error.message : String(error)

function asked<T>(variable: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new BackendRefused(`${variable} is set, but ${wordsOf(error)}`, { cause: error })
  }
}
