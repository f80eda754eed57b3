import type { Clock } from '@innerline/server-core'
import { type DriverConnection, type Row, runStatements } from './driver.js'
import { toSeq, toText } from './rows.js'
import { databaseNow, listed, Sql, sql } from './sql.js'

const CHECK_MS = 10_000
const MIN_PACKET = 1024 * 1024
const MAX_SKEW_MS = 60_000
const WARN_SKEW_MS = 2_000

const variables = [
  ...['version', 'version_comment', 'auto_increment_increment', 'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin'],
  ...['binlog_format', 'wsrep_on', 'group_replication_group_name', 'group_replication_single_primary_mode', 'max_allowed_packet'],
]

export interface ServerFacts {
  readonly maxPacket: number
  readonly mariadb: boolean
  /** Which server it is, as `identityOf` tells. */
  readonly identity: string
  /** Whether readers may see a commit before it is on disk, so that a crash takes back what was seen (ADR 5). */
  readonly takesBack: boolean
  /** What makes "acknowledged" less than crash-safe, or may become a problem. */
  readonly warnings: readonly string[]
}

/** Looks at the server through one connection. Rejects with a sentence when it cannot keep the promise. */
export async function checkServer(connection: DriverConnection, clock: Clock): Promise<ServerFacts> {
  const names = listed(variables.map((name) => new Sql(`'${name}'`)))
  const before = clock.now()
  const [shown, timed] = await runStatements(
    connection,
    [sql`SHOW VARIABLES WHERE Variable_name IN (${names})`, sql`SELECT ${databaseNow} AS now_ms`],
    clock,
    CHECK_MS,
  )
  const values = variablesOf(shown as readonly Row[])
  const facts = judgeServer(values)
  const skew = toSeq((timed as readonly Row[])[0]?.['now_ms']) - (before + clock.now()) / 2
  if (Math.abs(skew) > MAX_SKEW_MS) {
    throw new Error(`The database's clock is ${Math.round(skew / 1_000)} s off this machine's; synchronise both before starting.`)
  }
  const skewed = Math.abs(skew) > WARN_SKEW_MS ? [`The database's clock is ${Math.round(skew)} ms off this machine's.`] : []
  await checkTransactions(connection, clock)
  const identity = await checkReads(connection, clock, identityQuestion(facts.mariadb))
  return { ...facts, identity, warnings: [...facts.warnings, ...skewed] }
}

function variablesOf(rows: readonly Row[]): ReadonlyMap<string, string> {
  return new Map(rows.map((row) => [toText(row['Variable_name']).toLowerCase(), toText(row['Value'])]))
}

/** What the server's variables mean. Throws a sentence. */
export function judgeServer(shown: ReadonlyMap<string, string>): Omit<ServerFacts, 'identity'> {
  const value = (name: string): string => (shown.get(name) ?? '').toUpperCase()
  checkVersion(value('version'))
  if (value('wsrep_on') === 'ON') {
    throw new Error('This is a Galera cluster: its nodes certify at commit and cannot give dense sequences. Use a single primary.')
  }
  if (value('group_replication_group_name') !== '' && value('group_replication_single_primary_mode') === 'OFF') {
    throw new Error('Group replication runs with several primaries, which cannot give dense sequences. Use single-primary mode.')
  }
  if (value('auto_increment_increment') !== '1') {
    throw new Error('auto_increment_increment must be 1: the change feed is read by consecutive ids.')
  }
  const binlog = value('log_bin') === 'ON'
  if (binlog && value('binlog_format') === 'STATEMENT') {
    throw new Error(
      'The binary log has format STATEMENT, which READ COMMITTED transactions cannot be written in. Set binlog_format to ROW.',
    )
  }
  const maxPacket = Number(value('max_allowed_packet') || MIN_PACKET)
  if (maxPacket < MIN_PACKET) throw new Error(`max_allowed_packet is ${maxPacket} bytes; at least ${MIN_PACKET} are needed.`)
  const mariadb = value('version').includes('MARIADB')
  const warnings = durabilityWarnings(value, mariadb, binlog)
  return { maxPacket, mariadb, takesBack: warnings.length > 0, warnings }
}

/** What a crash can take away. InnoDB alone lets others read a commit before its log is on disk; a synced binary log comes before. */
function durabilityWarnings(value: (name: string) => string, mariadb: boolean, binlog: boolean): string[] {
  const lost = 'an acknowledged message can be lost when the database machine crashes'
  const warnings: string[] = []
  // MariaDB's 3 is 1 with one more sync.
  if (value('innodb_flush_log_at_trx_commit') !== '1' && !(mariadb && value('innodb_flush_log_at_trx_commit') === '3')) {
    warnings.push(`innodb_flush_log_at_trx_commit is not 1: ${lost}.`)
  }
  if (binlog && value('sync_binlog') !== '1')
    warnings.push(`sync_binlog is not 1: ${lost}, and replicas can have what this server has not.`)
  if (!binlog) {
    warnings.push(
      'The binary log is off (log_bin): a crash can take back what readers have seen, though nothing that was acknowledged. So every restart of the server raises the epoch, and all devices read again. log_bin with sync_binlog=1 avoids it.',
    )
  }
  return warnings
}

function checkVersion(version: string): void {
  const [major = 0, minor = 0, patch = 0] = (/^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number)
  const number = major * 10_000 + minor * 100 + patch
  const maria = version.includes('MARIADB')
  if (maria ? number >= 101_100 : number >= 80_019) return
  throw new Error(`The server is ${version}; MySQL from 8.0.19 or MariaDB from 10.11 on is needed.`)
}

/**
 * Which server answers. Read from a table, as any read is, so that whatever decides where reads go decides it as it will for ours; a replica
 * has a `server_id` of its own.
 */
export const identityQuestion = (mariadb: boolean): Sql =>
  sql`SELECT v.variable_name AS name,v.variable_value AS value FROM ${mariadb ? sql`information_schema.global_variables` : sql`performance_schema.global_variables`} v WHERE v.variable_name IN ('hostname','port','server_id') LIMIT 9`

export const identityOf = (rows: readonly Row[]): string =>
  rows
    .map((row) => `${toText(row['name']).toLowerCase()}=${toText(row['value'])}`)
    .sort()
    .join(' ')

/** A proxy that sends reads to replicas would show what is behind, and never a reader's own writes. */
async function checkReads(connection: DriverConnection, clock: Clock, question: Sql): Promise<string> {
  const [, inside] = await runStatements(connection, [sql`START TRANSACTION`, question], clock, CHECK_MS)
  await runStatements(connection, [sql`ROLLBACK`], clock, CHECK_MS)
  const [outside] = await runStatements(connection, [question], clock, CHECK_MS)
  const identity = identityOf(inside as readonly Row[])
  if (identity === identityOf(outside as readonly Row[])) return identity
  throw new Error(
    'What is between here and the database sends reads outside of transactions to another server, which may be behind. Connect to the primary directly.',
  )
}

/** A proxy that spreads the statements of one connection over several servers would break every transaction. */
async function checkTransactions(connection: DriverConnection, clock: Clock): Promise<void> {
  const ask = async (...statements: readonly Sql[]): Promise<Row | undefined> => {
    const results = await runStatements(connection, statements, clock, CHECK_MS)
    return (results.at(-1) as readonly Row[])[0]
  }
  const query = sql`SELECT CONNECTION_ID() AS id,@innerline_probe AS probe`
  const first = await ask(sql`SET @innerline_probe=42`, sql`START TRANSACTION`, query)
  const second = await ask(query)
  await runStatements(connection, [sql`ROLLBACK`], clock, CHECK_MS)
  if (toSeq(first?.['id']) === toSeq(second?.['id']) && toSeq(second?.['probe'] ?? 0) === 42) return
  throw new Error(
    'What is between here and the database gives the statements of one transaction to different connections. Connect to the database directly.',
  )
}
