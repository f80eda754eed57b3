import { createHash } from 'node:crypto'
import type { Migration } from './migration.js'
import { storage } from './0001-storage.js'

export type { Migration } from './migration.js'

/** In order of their versions. A step that has been published is never changed. */
export const migrations: readonly Migration[] = [storage]

/** The schema this version works with. */
export const SCHEMA_VERSION = Math.max(...migrations.map((migration) => migration.version))

/** Tells a changed step from the one that was applied. */
export const checksumOf = ({ statements }: Migration): string => createHash('sha256').update(statements.join(';\n')).digest('hex')

/** Where applied steps are recorded. */
export const versionTable = `CREATE TABLE IF NOT EXISTS t_im_schema_version (
  version INT UNSIGNED NOT NULL,
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  applied_at BIGINT NOT NULL,
  PRIMARY KEY (version)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`

/**
 * The file's name and text for people who apply migrations with a tool of their own; the namespace is empty in it. It
 * records the step as `start()` does, so that `migrations: 'verify'` finds it.
 */
export function sqlFileOf(migration: Migration): { readonly name: string; readonly text: string } {
  const { version, name, statements } = migration
  const recorded = `INSERT IGNORE INTO t_im_schema_version (version, name, checksum, applied_at)
VALUES (${version}, '${name}', '${checksumOf(migration)}', UNIX_TIMESTAMP() * 1000)`
  return {
    name: `${String(version).padStart(4, '0')}_${name}.sql`,
    text: `${[...statements, versionTable, recorded].join(';\n\n')};\n`,
  }
}

/** Tables and views, by bare name, with the columns that the migrations give them. */
export function expectedColumns(): ReadonlyMap<string, { readonly view: boolean; readonly columns: readonly string[] }> {
  const expected = new Map<string, { view: boolean; columns: string[] }>()
  for (const { statements } of migrations) {
    for (const statement of statements) {
      const table = /^CREATE TABLE IF NOT EXISTS (\w+) \(\n([\s\S]*)\n\)/.exec(statement)
      if (table !== null) {
        const columns = (table[2] as string).split('\n').flatMap((line) => /^ {2}([a-z_]+) [A-Z]/.exec(line)?.[1] ?? [])
        expected.set(table[1] as string, { view: false, columns })
      }
      const view = /^CREATE OR REPLACE SQL SECURITY INVOKER VIEW (\w+)\s+\(([^)]*)\)/.exec(statement)
      if (view !== null) expected.set(view[1] as string, { view: true, columns: (view[2] as string).split(',').map((name) => name.trim()) })
    }
  }
  return expected
}
