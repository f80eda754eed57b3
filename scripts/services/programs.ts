import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from '../toolchain/run.mjs'

/** Where servers are that an ordinary PATH does not name. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin', '/usr/local/mysql/bin']

/** Every program of one of these names on the PATH or in the usual places, in order. */
export const findPrograms = (names: readonly string[], path = process.env.PATH ?? ''): readonly string[] =>
  [...new Set([...path.split(delimiter), ...SYSTEM_FOLDERS].filter((folder) => folder !== ''))].flatMap((folder) =>
    names.map((name) => join(folder, name)).filter((file) => existsSync(file)),
  )

/** Runs a program quietly and returns its output; rejects with it when the program fails. */
export async function output(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, output } = await run(command, args, { quiet: true, env })
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ''} failed (exit code ${code}):\n${output.slice(-2_000)}`)
  return output
}

/** What `--version` of a SQL server says: `MariaDB 10.11.19` or `MySQL 9.7.4`. Undefined when it says neither. */
export function parseSqlVersion(
  text: string,
): { readonly kind: 'MariaDB' | 'MySQL'; readonly version: string; readonly major: number } | undefined {
  const version = /\bVer (\d+)\.(\d+)\.(\d+)/.exec(text)
  if (version === null) return undefined
  const kind = /mariadb/i.test(text) ? 'MariaDB' : 'MySQL'
  return { kind, version: version.slice(1, 4).join('.'), major: Number(version[1]) }
}
