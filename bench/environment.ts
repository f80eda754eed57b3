import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'

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
}

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
