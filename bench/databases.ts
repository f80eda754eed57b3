import { randomBytes } from 'node:crypto'
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise'
import { startService } from '../scripts/services/provide.js'
import { type RunningService, ServiceUnavailable } from '../scripts/services/service.js'
import { cpuMicrosOf } from './process-cpu.js'

const NAMES = ['mariadb', 'mysql9'] as const
export type DatabaseName = (typeof NAMES)[number]
export const DATABASE_NAMES: readonly DatabaseName[] = NAMES

/**
 * What is acknowledged survives a power cut: InnoDB's log and the binary log are synced by every commit. The sizes are those of a small
 * server in service, so that a million messages fit into memory and no figure is of a log that is full.
 */
const OPTIONS: Readonly<Record<DatabaseName, readonly string[]>> = {
  mariadb: ['--binlog-format=ROW', '--innodb-log-file-size=512M'],
  mysql9: ['--innodb-redo-log-capacity=512M'],
}
const COMMON = ['--log-bin=binlog', '--sync-binlog=1', '--server-id=1', '--innodb-buffer-pool-size=1G']
const DURABILITY = ['innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin'] as const

/** A private database server, alone with the benchmark that uses it. */
export class BenchDatabase {
  readonly name: DatabaseName
  /** For a column of a table, such as `MariaDB 10.11.19`. */
  readonly title: string
  /** For people, such as `MariaDB 10.11.19 (/usr/sbin/mariadbd)`. */
  readonly source: string
  readonly url: string
  /** What the server itself says of its durability. */
  readonly durability: Readonly<Record<string, string>>
  readonly #service: RunningService

  private constructor(name: DatabaseName, service: RunningService, durability: Readonly<Record<string, string>>) {
    this.name = name
    this.source = service.source
    this.title = service.source.replace(/ [(].*$/, '')
    this.url = service.url
    this.durability = durability
    this.#service = service
  }

  /** Rejects `ServiceUnavailable` where none can be had here. */
  static async start(name: DatabaseName): Promise<BenchDatabase> {
    const service = await startService(name, { extraArgs: [...COMMON, ...OPTIONS[name]] })
    const connection = await mysql.createConnection({ uri: service.url })
    const [rows] = await connection.query<RowDataPacket[]>('SHOW VARIABLES WHERE Variable_name IN (?)', [DURABILITY])
    await connection.end()
    return new BenchDatabase(name, service, Object.fromEntries(rows.map((row) => [row['Variable_name'], row['Value']])))
  }

  /** CPU time of the server so far, all threads: microseconds; NaN where it cannot be seen. */
  cpuMicros(): number {
    // Of a container only Docker's client would be seen, whose time says nothing.
    return this.source.endsWith('in Docker') ? Number.NaN : cpuMicrosOf(this.#service.instances[0].pid)
  }

  /** A connection beside the adapter, which may send several statements at once. */
  connect(): Promise<Connection> {
    return mysql.createConnection({ uri: this.url, multipleStatements: true })
  }

  /** A prefix for tables that nobody has used. */
  freshNamespace(): string {
    return `b${randomBytes(5).toString('hex')}`
  }

  /** Ends the server and removes its data. */
  stop(): Promise<void> {
    return this.#service.stop()
  }
}

/** One of each kind that can be had here and is `wanted`; the others are named with the reason. */
export async function startDatabases(wanted: (name: DatabaseName) => boolean): Promise<readonly BenchDatabase[]> {
  const started: BenchDatabase[] = []
  for (const name of NAMES.filter(wanted)) {
    try {
      started.push(await BenchDatabase.start(name))
    } catch (error) {
      if (!(error instanceof ServiceUnavailable)) throw error
      console.log(`${name} is left out: ${error.message}`)
    }
  }
  return started
}
