import { ImError } from '@innerline/protocol'
import type { Storage } from '@innerline/server-core'
import { Appender } from './append/appender.js'
import { appendInHostTransaction } from './append/host-transaction.js'
import { BorrowedPool } from './borrowed-pool.js'
import { OwnConnection, sessionSetup } from './connection-pool.js'
import { conversationStorage } from './conversations.js'
import { Database, onlyRow, rowsOf } from './database.js'
import { type DriverConnection, openWithMysql2, type Row, runStatements } from './driver.js'
import { feedStorage } from './feed.js'
import { ConversationKeys } from './keys.js'
import { leaseStorage } from './leases.js'
import { logStorage } from './log.js'
import { migrate } from './migrate.js'
import { type MysqlStorageOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { expireMessages } from './retention.js'
import { toSeq, toText } from './rows.js'
import { checkGrants, verifySchema } from './schema-check.js'
import { checkServer, identityOf, identityQuestion } from './server-check.js'
import { epochAfter, ServerLife } from './server-life.js'
import { sql } from './sql.js'
import { classify, toImError } from './sql-errors.js'
import { tablesOf } from './tables.js'
import { userStorage } from './users.js'

const PING_MS = 3_000
const CONNECT_MS = 10_000
/** ER_BAD_DB_ERROR */
const NO_DATABASE = 1049
/** A packet of ours at most, however much the server would take. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024

type Parts = Omit<Storage, 'start' | 'close' | 'capabilities'>

/**
 * {@link Storage} on MySQL 8 and 9 and MariaDB 10.11+. Nothing happens before `start()`, which rejects with a sentence
 * when the server cannot keep the promise. The host's pool is used for reads and never closed; appends run on
 * connections of our own. Throws a sentence when the options cannot work.
 */
export function mysqlStorage(options: MysqlStorageOptions): Storage {
  const session = new Session(resolveOptions(options))
  const storage: Record<string, unknown> = {
    capabilities: { durable: true },
    start: () => session.start(),
    close: () => session.close(),
  }
  for (const name of partNames) storage[name] = (...args: never[]) => session.call(name, args)
  return storage as unknown as Storage
}

/** Every method of the port that needs the database: said once, so that each is guarded alike. */
const partNames = [
  ...(['appendMessages', 'appendInTransaction', 'findByMsgIds', 'readMessages', 'findEntry', 'lastSeqBefore', 'expireMessages'] as const),
  ...(['openConversation', 'readHeads', 'readMember', 'readMembers', 'listMemberIds', 'memberships', 'summaries'] as const),
  ...(['advanceCursors', 'readCursors', 'startPosition', 'changes', 'resolveGaps', 'trimChanges', 'openReader', 'saveReader'] as const),
  ...(['feedSize', 'acquireLease', 'releaseLease', 'putDeadLetter', 'listDeadLetters', 'readUsers', 'searchUsers', 'putUser'] as const),
  ...(['ping', 'epoch', 'raiseEpoch'] as const),
] satisfies readonly (keyof Parts)[]

/** One life of a storage between start and close. */
class Session {
  readonly #options: ResolvedOptions
  #starting: Promise<{ database: Database; parts: Parts }> | undefined
  #open: { database: Database; parts: Parts } | undefined

  constructor(options: ResolvedOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#starting ??= this.#start()
    const starting = this.#starting
    try {
      const open = await starting
      if (this.#starting === starting) this.#open = open
    } catch (error) {
      if (this.#starting === starting) this.#starting = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    const starting = this.#starting
    this.#starting = undefined
    this.#open = undefined
    const open = await starting?.catch(() => undefined)
    await open?.database.close()
  }

  async call(name: (typeof partNames)[number], args: readonly never[]): Promise<unknown> {
    const open = this.#open
    if (open === undefined)
      throw new ImError('UNAVAILABLE', { detail: 'This storage is not started or has been closed.', retryAfterMs: 1_000 })
    try {
      return await (open.parts[name] as (...args: readonly never[]) => unknown)(...args)
    } catch (error) {
      throw toImError(error)
    }
  }

  async #start(): Promise<{ database: Database; parts: Parts }> {
    const options = this.#options
    const { clock, pool, limits, acquireMs, deadlineMs } = options
    const open = (): Promise<DriverConnection> => openWithMysql2(options.connection)
    const connection = await this.#connect(open)
    try {
      await runStatements(connection, sessionSetup, clock, CONNECT_MS)
      const facts = await checkServer(connection, clock)
      for (const warning of facts.warnings) options.warn(warning)
      const tables = tablesOf(await databaseOf(connection, options), options.prefix)
      if (options.migrations === 'auto') await migrate(connection, clock, tables)
      if (options.migrations === 'verify') await verifySchema(connection, clock, tables)
      await checkGrants(connection, clock, tables)
      const own = new ServerLife(tables, clock, facts)
      // Also where nothing is taken back: the life before may have been another.
      await own.greet(new OwnConnection(connection, clock, deadlineMs, () => undefined))
      const life = facts.takesBack ? own : undefined
      const borrowed = pool && new BorrowedPool({ pool, clock, life, acquireMs: options.borrowMs, deadlineMs })
      // Patient, as a pool's first connection may take its time. One that has none to lend then says nothing.
      const patient = pool && new BorrowedPool({ pool, clock, acquireMs, deadlineMs })
      const seen = await patient?.read(identityQuestion(facts.mariadb)).catch(() => undefined)
      if (seen !== undefined && identityOf(seen) !== facts.identity) {
        throw new Error(
          'The `pool` leads to another server than our own connections; reads must be of the primary, without a replica’s delay.',
        )
      }
      const database = new Database({ tables, open, borrowed, clock, ids: options.ids, life, limits, acquireMs, deadlineMs })
      return { database, parts: partsOf(database, Math.min(MAX_BATCH_BYTES, Math.floor(facts.maxPacket * 0.9))) }
    } catch (error) {
      if (classify(error) !== 'read-only') throw error
      throw new Error('The server is read-only: connect to the primary.', { cause: error })
    } finally {
      connection.end(() => connection.destroy())
    }
  }

  async #connect(open: () => Promise<DriverConnection>): Promise<DriverConnection> {
    try {
      return await open()
    } catch (error) {
      const kind = classify(error)
      const reason = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error)
      if ((error as { errno?: unknown }).errno === NO_DATABASE) {
        throw new Error(`The server has no such database: ${reason}; create it first.`, { cause: error })
      }
      if (kind === 'denied') throw new Error(`The database refuses the account: ${reason}`, { cause: error })
      if (kind === 'other') throw error
      throw new ImError('UNAVAILABLE', { detail: `The database cannot be reached: ${reason}`, retryAfterMs: 1_000, cause: error })
    }
  }
}

async function databaseOf(connection: DriverConnection, { clock }: ResolvedOptions): Promise<string> {
  const [rows] = await runStatements(connection, [sql`SELECT DATABASE() AS name`], clock, CONNECT_MS)
  const name = (rows as readonly Row[])[0]?.['name']
  if (name === null || name === undefined) throw new Error('The connection names no database: add it to the URI or the connection options.')
  return toText(name)
}

function partsOf(database: Database, maxBytes: number): Parts {
  const keys = new ConversationKeys(database)
  const appender = new Appender(database, keys, maxBytes)
  const { state } = database.tables
  return {
    ...logStorage(database, appender),
    ...conversationStorage(database),
    ...feedStorage(database),
    ...leaseStorage(database),
    ...userStorage(database),
    expireMessages: (request) => expireMessages(database, request),
    appendInTransaction: (tx, batch) => appendInHostTransaction(database, keys, tx, batch),
    async ping() {
      await Promise.race([database.run(sql`DO 0`), late(database)])
    },
    async epoch() {
      return toSeq(onlyRow(await database.read(sql`SELECT f.epoch FROM ${state} f WHERE f.id=1`))['epoch'])
    },
    raiseEpoch: () =>
      database.transaction(async (transaction) => {
        const [rows] = await transaction.begin(
          sql`SELECT f.epoch,CAST(UNIX_TIMESTAMP() AS SIGNED) AS second FROM ${state} f WHERE f.id=1 FOR UPDATE`,
        )
        const row = onlyRow(rowsOf(rows))
        const epoch = epochAfter(toSeq(row['epoch']), toSeq(row['second']))
        await transaction.commit(sql`UPDATE ${state} SET epoch=${epoch} WHERE id=1`)
        keys.clear()
        return epoch
      }),
  }
}

const late = ({ clock }: Database): Promise<never> =>
  new Promise((_, reject) => {
    clock.after(PING_MS, () => reject(new ImError('UNAVAILABLE', { detail: 'The database does not answer.', retryAfterMs: 1_000 })))
  })
