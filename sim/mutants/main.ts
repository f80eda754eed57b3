import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleSimulator } from '../../scripts/sim/bundle.mjs'
import type { Outcome } from '../run/history.js'
import { playMany } from '../run/workers.js'
import { type Mutant, MUTANTS, planted } from './index.js'

const HELP = `npm run sim:mutants -- [--only name,name] [--quick] [--runs 300] [--jobs 2]
      plants each bug of sim/mutants and plays seeds 1, 2, 3 … until one fails; then the same seeds without any bug
      --quick leaves out those that need more than ten seeds
      exit 1 if a bug is not found in so many seeds, or the unmutated simulator fails`

/** What it took to notice a bug. */
interface Found {
  readonly seed: number
  readonly rule: string
  readonly detail: string
}

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The lowest seed that fails, of `runs`, and what fails in it. */
async function firstFailure(program: string, runs: number, jobs: number): Promise<Found | undefined> {
  let failed: Outcome | undefined
  const options = { from: 1, runs, minutes: undefined, jobs, first: true }
  await playMany(
    options,
    (outcome) => {
      if (outcome.violations.length > 0 && outcome.seed < (failed?.seed ?? Number.POSITIVE_INFINITY)) failed = outcome
    },
    program,
  )
  // A worker that fell over says nothing of the bug.
  if (failed?.steps === 0) throw new Error(`${program} cannot play seed ${failed.seed}: ${failed.violations[0]?.detail}`)
  const [first] = failed?.violations ?? []
  return failed && first && { seed: failed.seed, rule: first.rule, detail: first.detail }
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string', default: '300' },
      jobs: { type: 'string', default: '2' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const [runs, jobs] = [Number(values.runs), Number(values.jobs)]
  const names = values.only?.split(',')
  const mutants = MUTANTS.filter(({ name, rare }) => names?.includes(name) ?? !(values.quick && rare))
  const unknown = names?.filter((name) => !mutants.some((mutant) => mutant.name === name)) ?? []
  if (unknown.length > 0) throw new Error(`There is no mutant ${unknown.join(', ')}.`)

  const width = Math.max(...mutants.map(({ name }) => name.length))
  console.log(`${'mutant'.padEnd(width)}  seeds  noticed by`)
  const waiting = [...mutants]
  const missed: string[] = []
  let deepest = 0
  const work = async (): Promise<void> => {
    for (let mutant: Mutant | undefined = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const program = await bundleSimulator({ name: `mutant-${mutant.name}`, plugins: [planted(mutant, root)] })
      const found = await firstFailure(program, runs, 1)
      if (found === undefined) missed.push(mutant.name)
      deepest = Math.max(deepest, found?.seed ?? runs)
      const what = found === undefined ? `NOT FOUND in ${runs} seeds: ${mutant.says}` : `${found.rule}: ${brief(found.detail)}`
      console.log(`${mutant.name.padEnd(width)}  ${String(found?.seed ?? '–').padStart(5)}  ${what}`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))

  const clean = await firstFailure(await bundleSimulator({ name: 'mutant-none' }), deepest, jobs)
  if (clean === undefined) console.log(`Without a bug, seeds 1 to ${deepest} hold.`)
  else console.log(`WITHOUT A BUG seed ${clean.seed} fails as well: ${clean.rule}: ${clean.detail}`)
  if (missed.length > 0) console.log(`Not found: ${missed.join(', ')}`)
  return missed.length === 0 && clean === undefined ? 0 : 1
}

const brief = (detail: string): string => {
  const [line = ''] = detail.split('\n')
  return line.length > 140 ? `${line.slice(0, 139)}…` : line
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 2
  },
)
