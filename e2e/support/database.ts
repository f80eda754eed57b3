import { mysqlStorage } from '@innerline/adapters-mysql'
import { createImServer, type ImServer, type Storage } from '@innerline/server-core'
import type { ServerInstance } from '../../scripts/services/instance.js'
import { startService } from '../../scripts/services/provide.js'
import { ServiceUnavailable, type RunningService } from '../../scripts/services/service.js'

/** What makes a commit durable before others see it. Without, a killed server may take back what a reader has seen. */
export const SYNCED_BINLOG: readonly string[] = ['--log-bin=binlog', '--sync-binlog=1', '--server-id=1', '--binlog-format=ROW']

/** One entry of a conversation as the database has it. */
export interface Logged {
  readonly msgId: string
  readonly seq: number
  readonly fromUserId: string
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** A MariaDB of a test's own, which may be killed, with a node of the same service beside the demo: it reads the log and writes for others. */
export class OwnDatabase {
  readonly url: string
  readonly #service: RunningService
  readonly #storage: Storage
  readonly #node: ImServer

  private constructor(service: RunningService) {
    this.#service = service
    this.url = service.url
    this.#storage = mysqlStorage({ uri: service.url, logger: quiet })
    this.#node = createImServer({ storage: this.#storage, authenticate: () => null })
  }

  /** Undefined where no MariaDB can be had; with CI set it rejects instead. */
  static async start(extraArgs: readonly string[]): Promise<OwnDatabase | undefined> {
    try {
      const own = new OwnDatabase(await startService('mariadb', { extraArgs }))
      await own.#node.start()
      return own
    } catch (error) {
      if (!(error instanceof ServiceUnavailable) || process.env['CI']) throw error
      console.warn(`The demo is not tested on a database: ${error.message}`)
      return undefined
    }
  }

  /** The server itself, to be killed and started again on the same data and port. */
  get server(): ServerInstance {
    return this.#service.instances[0]
  }

  /** Writes `count` messages from one to another, past the demo's limits. */
  async write(fromUserId: string, toUserId: string, count: number): Promise<void> {
    for (let i = 1; i <= count; i++)
      await this.#node.api.send({ fromUserId, toUserId, body: { type: 'text', text: `${fromUserId} wrote ${i}` } })
  }

  /** The whole log of a conversation, by seq. */
  async log(conversationId: string): Promise<readonly Logged[]> {
    const range = { conversationId, from: 1, to: 10_000, direction: 'forward', limit: 10_000, maxBytes: 8_000_000 } as const
    return (await this.#storage.readMessages(range)).entries
  }

  async stop(): Promise<void> {
    await this.#node.close()
    await this.#service.stop()
  }
}
