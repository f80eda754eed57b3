import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runFanOut } from './benchmarks/fan-out.js'
import { runIdle, SETTLERS } from './benchmarks/idle.js'
import { runRelay } from './benchmarks/relay.js'
import { CONTENDERS, type Contender, INNERLINE } from './contenders.js'
import { type BenchDatabase, DATABASE_NAMES, startDatabases } from './databases.js'
import { openFileLimit, readEnvironment } from './environment.js'
import { Profile } from './profile.js'
import { reportFanOut, reportIdle, reportRelay } from './report.js'
import { interleaved } from './rounds.js'
import { compareStorages, profileStorages, STORAGE_BENCHMARKS } from './run-storage.js'
import { FULL, QUICK, type Scale } from './scale.js'
import { ServerProcess, Unavailable } from './server-process.js'
import type { Samples } from './table.js'

const PEER_BENCHMARKS = ['relay', 'fan-out', 'idle'] as const
const NAMES = [...PEER_BENCHMARKS, ...STORAGE_BENCHMARKS] as const
const ONLY = [...CONTENDERS.map(({ server }) => server), ...DATABASE_NAMES].join('|')
const USAGE = `npm run bench -- [${NAMES.join('] [')}] [--quick] [--profile] [--rounds=<n>] [--only=${ONLY}]`
const RESULTS = fileURLToPath(new URL('./results/', import.meta.url))
/** Files a process needs beside the connections it holds. */
const OTHER_FILES = 300

const { values, positionals } = readArguments()
const base = values.quick ? QUICK : FULL
const rounds = values.rounds === undefined ? base.rounds : Math.max(1, Number.parseInt(values.rounds, 10) || 1)
const isDatabase = (DATABASE_NAMES as readonly string[]).includes(values.only ?? '')
const only = isDatabase ? undefined : values.only
const contenders = PEER_BENCHMARKS.some(wanted) ? await available(CONTENDERS.filter(isMeasured)) : []
const scale = fitted({ ...base, rounds, idleRounds: Math.min(rounds, base.idleRounds) })
// Before anything is started, so that the load of the machine is that of others.
const environment = readEnvironment()
const databases = STORAGE_BENCHMARKS.some(wanted) ? await startDatabases((name) => !isDatabase || name === values.only) : []

try {
  if (values.profile) await takeProfiles()
  else await compare()
} finally {
  for (const database of databases) await database.stop()
}
process.exit(0)

function readArguments() {
  try {
    const options = {
      quick: { type: 'boolean' },
      profile: { type: 'boolean' },
      rounds: { type: 'string' },
      only: { type: 'string' },
    } as const
    const parsed = parseArgs({ options, allowPositionals: true })
    if (parsed.positionals.every((name) => (NAMES as readonly string[]).includes(name))) return parsed
  } catch {
    // Said below.
  }
  console.error(`Usage: ${USAGE}`)
  process.exit(2)
}

function wanted(name: (typeof NAMES)[number]): boolean {
  return positionals.length === 0 || positionals.includes(name)
}

/** A profile is of our own server, unless another one is asked for. */
function isMeasured({ server }: Contender): boolean {
  const one = only ?? (values.profile ? INNERLINE.server : undefined)
  return one === undefined || server === one
}

/** Those whose server can be had; the others are named with the reason. */
async function available(candidates: readonly Contender[]): Promise<Contender[]> {
  const found: Contender[] = []
  for (const contender of candidates) {
    try {
      await (await ServerProcess.start(contender.server)).stop()
      found.push(contender)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      console.log(`${contender.name} is left out: ${error.message}`)
    }
  }
  if (found.length > 0) return found
  console.error('No contender can be measured.')
  return process.exit(1)
}

/** The scale, with as many idle connections as the limit of open files allows. */
function fitted(wish: Scale): Scale {
  const most = Math.floor((openFileLimit() - OTHER_FILES) / Math.max(1, contenders.length) / (1 + SETTLERS))
  if (wish.idleConnections <= most) return wish
  console.log(`Only ${most} idle connections: the limit of open files (ulimit -n) allows no more.`)
  return { ...wish, idleConnections: most }
}

async function compare(): Promise<void> {
  const { node, cpu, cores, loadBefore, syncMs } = environment
  console.log(
    `# Benchmarks (${scale.name})\n\nNode ${node}, ${cores} × ${cpu}, load before ${loadBefore}, fdatasync of 4 KiB ${syncMs} ms. Median (least–most) of the rounds.`,
  )
  for (const { source, durability } of databases) {
    const flags = Object.entries(durability).map(([name, value]) => `${name}=${value}`)
    console.log(`${source}: ${flags.join(', ')}.`)
  }
  const raw: Record<string, unknown> = {}
  const show = (name: string, samples: unknown, report: string): void => {
    raw[name] = samples
    console.log(`\n${report}`)
  }
  await comparePeers(show)
  if (databases.length > 0) await compareStorages({ databases, scale, wanted, show, progress })
  const file = `${RESULTS}${environment.at.replaceAll(':', '-')}.json`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ environment, databases: describe(databases), scale, samples: raw }, undefined, 2)}\n`)
  console.log(`\nAll samples: ${relative(process.cwd(), file)}`)
}

function describe(all: readonly BenchDatabase[]) {
  return all.map(({ source, durability }) => ({ source, durability }))
}

async function comparePeers(show: (name: string, samples: unknown, report: string) => void): Promise<void> {
  const byName = (samples: Samples<unknown>) => Object.fromEntries([...samples].map(([contender, each]) => [contender.name, each]))
  const inRounds = <T>(name: string, measure: (contender: Contender) => Promise<T>) =>
    interleaved({ name, rounds: scale.rounds, contenders, progress }, measure)
  if (wanted('relay')) {
    const samples = await inRounds('relay', (contender) => runRelay(contender, scale))
    show('relay', byName(samples), reportRelay(samples, scale))
  }
  if (wanted('fan-out')) {
    const samples = await inRounds('fan-out', (contender) => runFanOut(contender, scale))
    show('fan-out', byName(samples), reportFanOut(samples, scale))
  }
  if (wanted('idle')) {
    const rounds: Awaited<ReturnType<typeof runIdle>>[] = []
    for (let round = 1; round <= scale.idleRounds; round++) {
      progress(`idle: round ${round} of ${scale.idleRounds}`)
      rounds.push(await runIdle(contenders, scale))
    }
    progress('')
    const samples = new Map(contenders.map((contender) => [contender, rounds.flatMap((round) => round.get(contender) ?? [])]))
    show('idle', byName(samples), reportIdle(samples, scale))
  }
}

async function takeProfiles(): Promise<void> {
  const profile = new Profile(`${RESULTS}profiles`)
  for (const contender of contenders) {
    if (wanted('relay')) await runRelay(contender, scale, profile)
    if (wanted('fan-out')) await runFanOut(contender, scale, profile)
  }
  await profileStorages({ databases, scale, wanted }, profile)
}

/** One line that replaces itself, where there is somebody to see it. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}
