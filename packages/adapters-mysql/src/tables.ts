import { createHash } from 'node:crypto'
import { Sql } from './sql.js'

const names = {
  session: 't_cs_session',
  message: 't_cs_message',
  edit: 't_cs_message_edit',
  cursor: 't_im_cursor',
  change: 't_im_change',
  state: 't_im_state',
  floor: 't_im_feed_floor',
  reader: 't_im_reader',
  lease: 't_im_lease',
  deadLetter: 't_im_dead_letter',
  user: 't_im_user',
  schemaVersion: 't_im_schema_version',
} as const

type TableKey = keyof typeof names

/** Names of one storage's tables, with database and namespace: a pool's connection may have another database selected. */
export interface Tables extends Readonly<Record<TableKey, Sql>> {
  readonly database: string
  readonly prefix: string
}

const namespaceForm = /^[a-z][a-z0-9_]{0,15}$/

/** The prefix of a namespace. Throws a sentence when it cannot be one. */
export function prefixOf(namespace: string | undefined): string {
  if (namespace === undefined || namespace === '') return ''
  if (!namespaceForm.test(namespace)) {
    throw new TypeError('mysqlStorage: `namespace` must be 1 to 16 lower-case letters, digits or underscores, beginning with a letter.')
  }
  return `${namespace}_`
}

const quoted = (name: string): string => `\`${name.replaceAll('`', '``')}\``

export function tablesOf(database: string, prefix: string): Tables {
  const entries = Object.entries(names).map(([key, name]) => [key, new Sql(`${quoted(database)}.${quoted(prefix + name)}`)])
  return { database, prefix, ...(Object.fromEntries(entries) as Record<TableKey, Sql>) }
}

/** Replaces every name of ours in a migration's text by the one of this database and namespace. */
export const placeNames = (statement: string, database: string, prefix: string): string =>
  statement.replace(/\bt_(?:cs|im)_[a-z_]+\b/g, (name) => `${quoted(database)}.${quoted(prefix + name)}`)

/** A named lock's name: server-wide, so it carries the database, and at most 64 characters. */
export const lockName = (database: string, prefix: string, purpose: string): string =>
  `innerline.${createHash('sha1').update(`${database}\n${prefix}\n${purpose}`).digest('hex')}`
