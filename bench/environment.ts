import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { spreadOf } from './statistics.js'

/** What a figure depends on beside the code. */
export interface Environment {
  readonly at: string
  readonly commit: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  /** 1-minute load before the run: above 0 the machine had other work. */
  readonly loadBefore: number
  /** What the disk takes to keep 4 KiB, median: the least that a durable commit can take. */
  readonly syncMs: number
}

const SYNCS = 100

export function readEnvironment(): Environment {
  return {
    at: new Date().toISOString(),
    commit: commit(),
    node: process.versions.node,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    syncMs: Math.round(timeOfSync() * 100) / 100,
  }
}

/** Measured where the databases keep their data. */
function timeOfSync(): number {
  const folder = mkdtempSync(fileURLToPath(new URL('.sync-', import.meta.url)))
  const file = openSync(join(folder, 'probe'), 'w')
  try {
    const times = Array.from({ length: SYNCS }, () => {
      writeSync(file, Buffer.alloc(4096, 1))
      const begin = performance.now()
      fdatasyncSync(file)
      return performance.now() - begin
    })
    return spreadOf(times).median
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true })
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}

interface ReportWithLimits {
  readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } }
}

/** How many files this process may have open; infinite where that is not known. */
export function openFileLimit(): number {
  const report = process.report?.getReport() as ReportWithLimits | undefined
  const soft = Number(report?.userLimits?.open_files?.soft)
  return Number.isFinite(soft) ? soft : Number.POSITIVE_INFINITY
}
