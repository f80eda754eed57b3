import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { poll } from './poll.js'

const LOCK_WAIT_MS = 180_000

export const servicesFolder = fileURLToPath(new URL('../../.services', import.meta.url))
/** Downloads and initialised data, kept between runs. */
export const cacheFolder = join(servicesFolder, 'cache')
/** One folder per running process. */
export const runFolder = join(servicesFolder, 'run')

/** What is known of a running process; kept beside its data so that a later run can end it. */
export interface RunRecord {
  readonly service: string
  readonly url: string
  readonly source: string
  readonly port: number
  /** The process, once started. */
  readonly pid?: number | undefined
  /** The process it must not outlive; undefined for one that a person started. */
  readonly ownerPid?: number | undefined
  /** The container, where the process is Docker's client. */
  readonly container?: string | undefined
}

/** A new folder for one process. */
export function newRunFolder(service: string): string {
  const folder = join(runFolder, `${service}-${randomBytes(4).toString('hex')}`)
  mkdirSync(folder, { recursive: true })
  return folder
}

export function writeRecord(folder: string, record: RunRecord): void {
  // Renamed into place, so that a reader never meets half a file.
  const part = join(folder, 'record.json.part')
  writeFileSync(part, JSON.stringify(record))
  renameSync(part, join(folder, 'record.json'))
}

/** Every recorded process, whoever started it. */
export function readRecords(): readonly { readonly folder: string; readonly record: RunRecord }[] {
  if (!existsSync(runFolder)) return []
  return readdirSync(runFolder).flatMap((name) => {
    const folder = join(runFolder, name)
    const file = join(folder, 'record.json')
    return existsSync(file) ? [{ folder, record: JSON.parse(readFileSync(file, 'utf8')) as RunRecord }] : []
  })
}

export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })

/** Whether a process with this id exists (also when it is somebody else's). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Runs `work` while no other process runs under the same name; a lock whose holder has died is taken over. */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(cacheFolder, { recursive: true })
  const lock = join(cacheFolder, `${name}.lock`)
  await poll(LOCK_WAIT_MS, `The lock ${lock} did not become free`, () => {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      breakDeadLock(lock)
      return undefined
    }
  })
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function breakDeadLock(lock: string): void {
  try {
    const holder = Number(readFileSync(lock, 'utf8'))
    // A lock that has no pid yet is being written just now, unless its writer died in between.
    const dead = holder > 0 ? !isAlive(holder) : Date.now() - statSync(lock).mtimeMs > 5_000
    if (dead) rmSync(lock, { force: true })
  } catch {
    // Freed in between.
  }
}
