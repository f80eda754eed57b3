import { availableParallelism } from 'node:os'
import { playSeed } from './history.js'
import { HELP, readOptions, type RunOptions } from './options.js'
import { describeFigures, describeOutcome, Tally } from './report.js'
import { saveSeeds } from './saved-seeds.js'
import { playMany, serveParent } from './workers.js'

/** Plays one seed in this process. */
async function playOne(seed: number, trace: boolean): Promise<boolean> {
  const lines: string[] = []
  // Printed afterwards: a history must not see the console.
  const outcome = await playSeed(seed, trace ? (line) => lines.push(line) : undefined)
  if (lines.length > 0) console.log(lines.join('\n'))
  console.log(describeOutcome(outcome))
  return outcome.violations.length === 0
}

async function playAll(options: RunOptions): Promise<boolean> {
  const tally = new Tally()
  const printEvery = 10_000
  let printedAt = performance.now()
  await playMany(options, (outcome) => {
    tally.add(outcome)
    if (outcome.violations.length > 0) console.log(describeOutcome(outcome))
    if (performance.now() - printedAt < printEvery) return
    printedAt = performance.now()
    console.log(tally.progress())
  })
  console.log(describeFigures(tally))
  if (options.save) console.log(`${saveSeeds(tally.failures)} seeds added to sim/seeds.json`)
  return tally.failures.length === 0 && tally.played > 0
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(HELP)
    return 0
  }
  const options = readOptions(args, availableParallelism())
  const clean = options.seed === undefined ? await playAll(options) : await playOne(options.seed, options.trace)
  return clean ? 0 : 1
}

if (process.argv[2] === '--worker') serveParent()
else {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code
    },
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error)
      process.exitCode = 2
    },
  )
}
