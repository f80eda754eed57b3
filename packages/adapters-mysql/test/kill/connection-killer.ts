import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise'
import { Chance, sleep } from './messages.js'

/** Kills connections of a server at random, also those in the middle of a transaction or a COMMIT, and counts them. */
export class ConnectionKiller {
  readonly #uri: string
  readonly #everyMs: number
  readonly #busyShare: number
  readonly #chance: Chance
  readonly #running: Promise<void>
  #admin: Connection | undefined
  #stopped = false
  killed = 0
  /** Of these, connections that were carrying something out. */
  killedBusy = 0

  /** `busyShare`: how often one that is carrying something out is chosen where there is one; an idle one may be inside a transaction. */
  constructor({ uri, everyMs, seed, busyShare }: { uri: string; everyMs: number; seed: number; busyShare: number }) {
    this.#uri = uri
    this.#everyMs = everyMs
    this.#busyShare = busyShare
    this.#chance = new Chance(seed)
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await this.#admin?.end().catch(() => undefined)
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await sleep(this.#everyMs * (0.5 + this.#chance.next()))
      try {
        await this.#killOne()
      } catch {
        // The server is down or has let go of this connection as well.
        this.#admin?.destroy()
        this.#admin = undefined
      }
    }
  }

  async #killOne(): Promise<void> {
    if (this.#admin === undefined) {
      this.#admin = await createConnection(this.#uri)
      this.#admin.on('error', () => undefined)
    }
    const admin = this.#admin
    const [rows] = await admin.query<RowDataPacket[]>('SHOW PROCESSLIST')
    const own = admin.threadId
    const others = rows.filter((row) => row['Id'] !== own && row['User'] !== 'system user' && row['User'] !== 'event_scheduler')
    const busy = others.filter((row) => row['Command'] === 'Query')
    const among = busy.length > 0 && this.#chance.next() < this.#busyShare ? busy : others
    if (among.length === 0) return
    const victim = this.#chance.pick(among)
    await admin.query(`KILL ${Number(victim['Id'])}`)
    this.killed++
    if (victim['Command'] === 'Query') this.killedBusy++
  }
}
