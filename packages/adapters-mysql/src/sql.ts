/**
 * SQL text made of literals that cannot carry anything else: no placeholder is ever filled by the driver, whose
 * escaping depends on flags of a borrowed pool and on the server's sql_mode. Values are decimal integers, ids of plain
 * characters, and hexadecimal literals.
 */
export class Sql {
  constructor(readonly text: string) {}
}

export type SqlPart = Sql | number | null | undefined

/** Joins text and values. Numbers must be safe integers; null and undefined become NULL; strings are not accepted. */
export function sql(strings: TemplateStringsArray, ...parts: readonly SqlPart[]): Sql {
  let text = strings[0] as string
  for (let i = 0; i < parts.length; i++) text += textOf(parts[i]) + (strings[i + 1] as string)
  return new Sql(text)
}

function textOf(part: SqlPart): string {
  if (part instanceof Sql) return part.text
  if (part === null || part === undefined) return 'NULL'
  if (!Number.isSafeInteger(part)) throw new RangeError(`${part} is not a safe integer.`)
  return String(part)
}

/** Parts one after another. */
export const joined = (parts: readonly Sql[], separator: string): Sql => new Sql(parts.map((part) => part.text).join(separator))

/** Parts as a comma-separated list. */
export const listed = (parts: readonly SqlPart[]): Sql => new Sql(parts.map(textOf).join(','))

/**
 * After a table's name in every statement that locks: of a table of a few rows the server would rather read all, and
 * wait for whatever row of it anybody holds. A DELETE obeys it only in a join.
 */
export const byKey = new Sql('FORCE INDEX (PRIMARY)')

/** Nothing. */
export const nothing = new Sql('')

const plainId = /^[A-Za-z0-9._~|+=-]+$/
const anyId = /^[!-~]+$/

/** Whether an id can be stored: printable ASCII without blanks, as a padded comparison takes no notice of trailing ones. */
export const isStorableId = (value: string, length = 64): boolean => value.length <= length && anyId.test(value)

/**
 * An id for comparison with, or insertion into, an ascii_bin column. What no id can be becomes the empty string, which
 * no row has, so that looking for it finds nothing.
 */
export function id(value: string): Sql {
  if (plainId.test(value)) return new Sql(`_ascii'${value}' COLLATE ascii_bin`)
  if (!anyId.test(value)) return new Sql(`_ascii'' COLLATE ascii_bin`)
  return new Sql(`_ascii x'${Buffer.from(value, 'latin1').toString('hex')}' COLLATE ascii_bin`)
}

export const ids = (values: Iterable<string>): Sql => new Sql(Array.from(values, (value) => id(value).text).join(','))

/** Text for a utf8mb4_bin column. */
export const text = (value: string): Sql => new Sql(`_utf8mb4 x'${Buffer.from(value).toString('hex')}' COLLATE utf8mb4_bin`)

/** The bytes of a text, for a binary column; null for undefined. */
export const bytes = (value: string | undefined): Sql =>
  value === undefined ? new Sql('NULL') : new Sql(`x'${Buffer.from(value).toString('hex')}'`)

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const hashForm = /^[0-9a-f]{32}$/

/** Whether a msgId can be stored in sixteen bytes and come back as it was. */
export const isUuid = (value: string): boolean => uuidForm.test(value)

/** Whether a fingerprint has the form that is stored. */
export const isHash = (value: string): boolean => hashForm.test(value)

/** A UUID as BINARY(16); what is none becomes sixteen zero bytes, which no entry has. */
export const uuid = (value: string): Sql => new Sql(`x'${isUuid(value) ? value.replaceAll('-', '') : '0'.repeat(32)}'`)

/** A fingerprint as BINARY(16). Throws when it is none. */
export function hash(value: string): Sql {
  if (!isHash(value)) throw new RangeError('A fingerprint has 32 hexadecimal digits.')
  return new Sql(`x'${value}'`)
}

/** Rows of literals as a derived table: portable where `VALUES ROW` and `VALUES()` are not. Columns are named once. */
export function derived(columns: readonly string[], rows: readonly (readonly SqlPart[])[]): Sql {
  const selects = rows.map((row, index) =>
    index === 0 ? row.map((value, i) => `${textOf(value)} AS ${columns[i] as string}`).join(',') : row.map(textOf).join(','),
  )
  return new Sql(`(SELECT ${selects.join(' UNION ALL SELECT ')})`)
}

/** `(a,b),(c,d)` for INSERT … VALUES. */
export const tuples = (rows: readonly (readonly SqlPart[])[]): Sql => new Sql(rows.map((row) => `(${row.map(textOf).join(',')})`).join(','))

/**
 * The database's own time in epoch ms: constant within a statement. Not by way of local time, which says the same twice in the hour after
 * daylight saving ends: a borrowed connection has the server’s zone. Without a colon, which a host’s `queryFormat` may take for a placeholder.
 */
export const databaseNow = new Sql("(TIMESTAMPDIFF(MICROSECOND,DATE'1970-01-01',UTC_TIMESTAMP(3)) DIV 1000)")
