import { describeViolations } from '../../../../sim/checker/index.js'
import { startService } from '../../../../scripts/services/provide.js'
import { ServiceUnavailable } from '../../../../scripts/services/service.js'
import { freezeLine, freezeRun } from './freeze-run.js'
import { crashSafe, killConnections, killServer, type Harm } from './harms.js'
import { figuresLine, killRun } from './kill-run.js'
import type { Occupation } from './victim.js'

const USAGE = `node scripts/kill-tests.mjs [--appends=50000] [--service=mariadb] [--service=mysql9] [--only=connections|server|freeze] [--no-binlog]

Kills connections at random, the server in mid-load and freezes writers, on private servers, and checks every acknowledgement,
the logs, the feed and the cursors afterwards. By default everything on every service that can be had here.\n--no-binlog shows what a killed server then takes back from readers, now and then.`

const values = (name: string): string[] =>
  process.argv.flatMap((word) => (word.startsWith(`--${name}=`) ? [word.slice(name.length + 3)] : []))
const appends = Number(values('appends')[0] ?? 50_000)
const named = values('service')
const only = values('only')
const wants = (scenario: string): boolean => only.length === 0 || only.includes(scenario)
const occupations: readonly Occupation[] = ['append', 'cursor', 'tx', 'tx-idle', 'tx-reading']
let broken = 0

async function underHarm(uri: string, harm: Harm): Promise<void> {
  const run = await killRun({ uri, kind: 'adapter', appends, harm })
  console.log(`${harm.says()}\n  ${figuresLine(run)}`)
  report(describeViolations(run.verdict.violations))
}

function report(violations: string): void {
  if (violations === '') return
  broken++
  console.log(`  BROKEN\n${violations}`)
}

async function all(name: string): Promise<void> {
  const service = await startService(name, { extraArgs: process.argv.includes('--no-binlog') ? [] : crashSafe(name) }).catch(
    (error: unknown) => {
      if (!(error instanceof ServiceUnavailable) || named.length > 0) throw error
      console.log(`\n== ${name}: SKIPPED. ${error.message}`)
    },
  )
  if (service === undefined) return
  const [instance] = service.instances
  const { url: uri } = service
  console.log(`\n== ${service.source}`)
  try {
    if (wants('connections')) await underHarm(uri, killConnections({ uri }))
    if (wants('server')) await underHarm(uri, killServer({ instance, times: 5, appends }))
    for (const occupation of wants('freeze') ? occupations : []) {
      const run = await freezeRun(uri, occupation)
      console.log(freezeLine(run))
      report(describeViolations(run.verdict.violations))
    }
  } finally {
    await service.stop()
  }
}

if (process.argv.includes('--help') || !(appends > 0)) {
  console.log(USAGE)
} else {
  for (const name of named.length > 0 ? named : ['mariadb', 'mysql9']) await all(name)
  process.exitCode = broken === 0 ? 0 : 1
}
