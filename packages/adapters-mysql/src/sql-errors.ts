import { ImError, isImError } from '@innerline/protocol'

/**
 * What an error of the driver or the server means for the transaction it came from.
 * - `deadlock`: the whole transaction is undone; run it again.
 * - `lock-wait`: only the statement is undone, so ROLLBACK comes before anything else; somebody holds a lock.
 * - `duplicate`: a unique key; which statement failed says what it means.
 * - `lost`: the connection is gone and the outcome of what was under way unknown.
 * - `read-only`: a failed-over server; the outcome is known (nothing), the connection useless.
 * - `full`: the server takes no more connections.
 * - `too-large`: the packet is over the server's limit.
 * - `denied`: credentials, grants, no such database.
 * - `schema`: a table or column is not there.
 * - `other`: everything else.
 */
export type SqlErrorKind =
  | 'deadlock'
  | 'lock-wait'
  | 'duplicate'
  | 'lost'
  | 'read-only'
  | 'full'
  | 'too-large'
  | 'denied'
  | 'schema'
  | 'other'

const byNumber: ReadonlyMap<number, SqlErrorKind> = new Map([
  ...kinds('deadlock', 1213, 1020, 1614, 3101),
  ...kinds('lock-wait', 1205, 3572),
  ...kinds('duplicate', 1062, 1586),
  // Killed connections and queries, shutdown, inactivity, network errors seen by the server, statement time limits, failed COMMIT.
  ...kinds('lost', 1053, 1080, 1152, 1158, 1159, 1160, 1161, 1180, 1317, 1927, 1969, 2006, 2013, 2055, 3024, 4031),
  ...kinds('read-only', 1290, 1792, 1836, 3100),
  ...kinds('full', 1040, 1041, 1203, 1226),
  ...kinds('too-large', 1153, 1301, 2020),
  ...kinds('denied', 1044, 1045, 1049, 1130, 1142, 1143, 1227, 1251, 1370, 1524, 1698, 3118, 4151),
  ...kinds('schema', 1054, 1146, 1356),
])

function kinds(kind: SqlErrorKind, ...numbers: readonly number[]): [number, SqlErrorKind][] {
  return numbers.map((number) => [number, kind])
}

/** Node's and mysql2's codes of a connection that is not there; errors of a closed connection may have no code at all. */
const lostCodes = /^(?:PROTOCOL_|ECONN|EPIPE$|ETIMEDOUT$|ENOTFOUND$|EAI_|EHOST|ENET|ESOCKET|HANDSHAKE_|ERR_STREAM|INNERLINE_DEADLINE$)/
const lostMessages = /closed state|Pool is closed|Connection lost|server has gone away|Cannot enqueue|connection is closed/i

/** Classified by number, then `fatal`, then code and message: each may be missing. */
export function classify(error: unknown): SqlErrorKind {
  if (typeof error !== 'object' || error === null) return 'other'
  const { errno, code, fatal, message } = error as { errno?: unknown; code?: unknown; fatal?: unknown; message?: unknown }
  const known = typeof errno === 'number' ? byNumber.get(errno) : undefined
  if (known !== undefined) return known
  if (fatal === true) return 'lost'
  if (typeof code === 'string' && lostCodes.test(code)) return 'lost'
  if (typeof message === 'string' && lostMessages.test(message)) return 'lost'
  return 'other'
}

/** Whether the connection may not be used again. */
export const breaksConnection = (kind: SqlErrorKind): boolean => kind === 'lost' || kind === 'read-only' || kind === 'denied'

/** Turns the error of a lock that was not given in time into undefined; throws every other. */
export function unlessHeld(error: unknown): undefined {
  if (classify(error) !== 'lock-wait') throw error
}

const details: Readonly<Record<SqlErrorKind, string>> = {
  deadlock: 'The database is too busy with the same rows.',
  'lock-wait': 'The database keeps rows of this request locked.',
  duplicate: 'The database refuses a row that is there already.',
  lost: 'The database does not answer.',
  'read-only': 'The database is read-only at the moment.',
  full: 'The database takes no more connections.',
  'too-large': 'The request is larger than the database takes (max_allowed_packet).',
  denied: 'The database refuses the account.',
  schema: 'The schema in the database is not complete; see `migrations`.',
  other: 'The database refused a statement.',
}

/** What callers of the port see: `UNAVAILABLE`, or `INTERNAL` where trying again cannot be expected to help. */
export function toImError(error: unknown): ImError {
  if (isImError(error)) return error
  const kind = classify(error)
  const code = kind === 'other' || kind === 'duplicate' || kind === 'too-large' ? 'INTERNAL' : 'UNAVAILABLE'
  return new ImError(code, { detail: details[kind], retryAfterMs: 1_000, cause: error })
}
