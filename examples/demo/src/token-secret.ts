import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BackendRefused } from './backends.js'

/** Outside of what git and the packages see. */
const FILE = fileURLToPath(new URL('../../../.cache/demo-secret', import.meta.url))

const fresh = (): string => randomBytes(32).toString('hex')

/**
 * What signs the tokens of sign-ins: `DEMO_SECRET`, which several machines on one database share. Else, with a database, one that is made
 * once and kept in `file`, so that a sign-in outlives this process as the account does. Else a fresh one: memory forgets the accounts too.
 */
export function tokenSecret(env: Readonly<Record<string, string | undefined>>, file = FILE): string {
  const { DEMO_SECRET, MYSQL_URL } = env
  if (DEMO_SECRET) return DEMO_SECRET
  if (!MYSQL_URL) return fresh()
  try {
    if (!existsSync(file)) {
      mkdirSync(dirname(file), { recursive: true })
      // Renamed into place: a second demo that starts meanwhile reads a whole secret or none.
      const part = `${file}.${process.pid}`
      writeFileSync(part, fresh(), { mode: 0o600 })
      renameSync(part, file)
    }
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new BackendRefused(
      `The secret that signs the demo's tokens cannot be kept: ${(error as Error).message}. Give one in DEMO_SECRET.`,
      {
        cause: error,
      },
    )
  }
}
