import { describeViolations } from '../../../../sim/checker/index.js'
import { startService } from '../../../../scripts/services/provide.js'
import { type RunningService, ServiceUnavailable } from '../../../../scripts/services/service.js'
import { freezeLine, freezeRun } from './freeze-run.js'
import { crashSafe, killConnections, killServer, type Harm } from './harms.js'
import { figuresLine, killRun } from './kill-run.js'
import type { Occupation } from './victim.js'

const USAGE = `node scripts/kill-tests.mjs [--appends=50000] [--kills=5] [--service=mariadb] [--service=mysql9] [--only=connections|server|restarts|freeze]

Kills connections at random, the server in mid-load and freezes writers, on private servers, and checks every acknowledgement,
the logs, the feed and the cursors afterwards. By default everything on every service that can be had here. "server" has a binary log
that is synced; "restarts" is the same without one, where a crash takes back what readers have seen and each restart begins an epoch.`

const values = (name: string): string[] =>
  process.argv.flatMap((word) => (word.startsWith(`--${name}=`) ? [word.slice(name.length + 3)] : []))
const appends = Number(values('appends')[0] ?? 50_000)
const kills = Number(values('kills')[0] ?? 5)
const named = values('service')
const only = values('only')
const wants = (scenario: string): boolean => only.length === 0 || only.includes(scenario)
const occupations: readonly Occupation[] = ['append', 'cursor', 'tx', 'tx-idle', 'tx-reading']
let broken = 0

async function underHarm(uri: string, harm: Harm, epochs: () => number = () => 1): Promise<void> {
  const run = await killRun({ uri, kind: 'adapter', appends, harm })
  console.log(`${harm.says()}\n  ${figuresLine(run)}`)
  report(describeViolations(run.verdict.violations))
  if (run.epochs !== epochs()) report(`A reader went through ${run.epochs} epochs instead of ${epochs()}.`)
}

function report(violations: string): void {
  if (violations === '') return
  broken++
  console.log(`  BROKEN\n${violations}`)
}

async function withServer(name: string, extraArgs: readonly string[], work: (service: RunningService) => Promise<void>): Promise<void> {
  const service = await startService(name, { extraArgs }).catch((error: unknown) => {
    if (!(error instanceof ServiceUnavailable) || named.length > 0) throw error
    console.log(`\n== ${name}: SKIPPED. ${error.message}`)
  })
  if (service === undefined) return
  console.log(`\n== ${service.source}, ${extraArgs.length > 0 ? 'with' : 'without'} a binary log`)
  try {
    await work(service)
  } finally {
    await service.stop()
  }
}

async function all(name: string): Promise<void> {
  if (['connections', 'server', 'freeze'].some(wants)) {
    await withServer(name, crashSafe(name), async ({ url: uri, instances }) => {
      if (wants('connections')) await underHarm(uri, killConnections({ uri }))
      if (wants('server')) await underHarm(uri, killServer({ instance: instances[0], times: kills, appends }))
      for (const occupation of wants('freeze') ? occupations : []) {
        const run = await freezeRun(uri, occupation)
        console.log(freezeLine(run))
        report(describeViolations(run.verdict.violations))
      }
    })
  }
  if (!wants('restarts')) return
  await withServer(name, [], ({ url: uri, instances }) => {
    const harm = killServer({ instance: instances[0], times: kills, appends })
    return underHarm(uri, harm, () => harm.count() + 1)
  })
}

if (process.argv.includes('--help') || !(appends > 0)) {
  console.log(USAGE)
} else {
  for (const name of named.length > 0 ? named : ['mariadb', 'mysql9']) await all(name)
  process.exitCode = broken === 0 ? 0 : 1
}
