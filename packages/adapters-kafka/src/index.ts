import { notBuiltYet } from './not-built-yet.js'

export interface KafkaAdapterOptions {
  /** The host's KafkaJS instance, or one of a client with the same shape. What we create from it, we close. */
  readonly kafka: object
  /** Keeps two services on one cluster apart. */
  readonly namespace?: string | undefined
}

/** Wake-ups between nodes on Kafka. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function kafkaBus(_options: KafkaAdapterOptions): never {
  return notBuiltYet(
    'kafkaBus',
    'Leave `bus` out of createImServer: messages then reach the connections of this process, which is right for a single process.',
  )
}

/** The event log on Kafka's consumer groups. Not built yet: throws ImError `UNSUPPORTED`, saying what to use meanwhile. */
export function kafkaEvents(_options: KafkaAdapterOptions): never {
  return notBuiltYet('kafkaEvents', 'Leave `events` out of createImServer: the event log then is the change feed of the storage itself.')
}
