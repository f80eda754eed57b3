import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runFanOut } from './benchmarks/fan-out.js'
import { runIdle, SETTLERS } from './benchmarks/idle.js'
import { runRelay } from './benchmarks/relay.js'
import { CONTENDERS, type Contender, INNERLINE } from './contenders.js'
import { openFileLimit, readEnvironment } from './environment.js'
import { Profile } from './profile.js'
import { reportFanOut, reportIdle, reportRelay, type Samples } from './report.js'
import { FULL, QUICK, type Scale } from './scale.js'
import { ServerProcess, Unavailable } from './server-process.js'

const NAMES = ['relay', 'fan-out', 'idle'] as const
const SERVERS = CONTENDERS.map(({ server }) => server).join('|')
const USAGE = `npm run bench -- [${NAMES.join('] [')}] [--quick] [--profile] [--rounds=<n>] [--only=${SERVERS}]`
const RESULTS = fileURLToPath(new URL('./results/', import.meta.url))
/** Files a process needs beside the connections it holds. */
const OTHER_FILES = 300

const { values, positionals } = readArguments()
const base = values.quick ? QUICK : FULL
const rounds = values.rounds === undefined ? base.rounds : Math.max(1, Number.parseInt(values.rounds, 10) || 1)
const only = values.only ?? (values.profile ? INNERLINE.server : undefined)
const contenders = await available(CONTENDERS.filter(({ server }) => only === undefined || server === only))
const scale = fitted({ ...base, rounds, idleRounds: Math.min(rounds, base.idleRounds) })

if (values.profile) await takeProfiles()
else await compare()
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
  const most = Math.floor((openFileLimit() - OTHER_FILES) / contenders.length / (1 + SETTLERS))
  if (wish.idleConnections <= most) return wish
  console.log(`Only ${most} idle connections: the limit of open files (ulimit -n) allows no more.`)
  return { ...wish, idleConnections: most }
}

/** Runs A B C A B C …, so that a slow minute of the machine falls on all. */
async function interleaved<T>(name: string, measure: (contender: Contender) => Promise<T>): Promise<Samples<T>> {
  const samples = new Map<Contender, T[]>(contenders.map((contender) => [contender, []]))
  for (let round = 1; round <= scale.rounds; round++) {
    for (const contender of contenders) {
      progress(`${name}: round ${round} of ${scale.rounds}, ${contender.name}`)
      samples.get(contender)?.push(await measure(contender))
    }
  }
  progress('')
  return samples
}

async function compare(): Promise<void> {
  const environment = readEnvironment()
  const { node, cpu, cores, loadBefore } = environment
  console.log(
    `# Benchmarks (${scale.name})\n\nNode ${node}, ${cores} × ${cpu}, load before ${loadBefore}. Median (least–most) of the rounds.`,
  )
  const raw: Record<string, unknown> = {}
  const show = (name: string, samples: Samples<unknown>, report: string): void => {
    raw[name] = Object.fromEntries([...samples].map(([contender, values]) => [contender.name, values]))
    console.log(`\n${report}`)
  }
  if (wanted('relay')) {
    const samples = await interleaved('relay', (contender) => runRelay(contender, scale))
    show('relay', samples, reportRelay(samples, scale))
  }
  if (wanted('fan-out')) {
    const samples = await interleaved('fan-out', (contender) => runFanOut(contender, scale))
    show('fan-out', samples, reportFanOut(samples, scale))
  }
  if (wanted('idle')) {
    const rounds: Awaited<ReturnType<typeof runIdle>>[] = []
    for (let round = 1; round <= scale.idleRounds; round++) {
      progress(`idle: round ${round} of ${scale.idleRounds}`)
      rounds.push(await runIdle(contenders, scale))
    }
    progress('')
    const samples = new Map(contenders.map((contender) => [contender, rounds.flatMap((round) => round.get(contender) ?? [])]))
    show('idle', samples, reportIdle(samples, scale))
  }
  const file = `${RESULTS}${environment.at.replaceAll(':', '-')}.json`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ environment, scale, samples: raw }, undefined, 2)}\n`)
  console.log(`\nAll samples: ${relative(process.cwd(), file)}`)
}

async function takeProfiles(): Promise<void> {
  const profile = new Profile(`${RESULTS}profiles`)
  for (const contender of contenders) {
    if (wanted('relay')) await runRelay(contender, scale, profile)
    if (wanted('fan-out')) await runFanOut(contender, scale, profile)
  }
}

/** One line that replaces itself, where there is somebody to see it. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}
