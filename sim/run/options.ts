import { parseArgs } from 'node:util'

export interface RunOptions {
  /** One seed, told as a story with `trace`. */
  readonly seed: number | undefined
  readonly trace: boolean
  readonly from: number
  readonly runs: number
  /** Ends earlier after this. */
  readonly minutes: number | undefined
  readonly jobs: number
  /** Adds failing seeds to sim/seeds.json. */
  readonly save: boolean
  /** Ends at the first failure. */
  readonly first: boolean
}

export const HELP = `npm run sim -- [--from 1] [--runs 200] [--minutes M] [--jobs J] [--first] [--save]
      plays seeds, prints progress, figures and the seeds that failed; exit 1 if any did
npm run sim -- --seed 7 [--trace]
      plays one seed and says what is wrong with it; --trace tells its story
  --from     first seed                      --runs   how many
  --minutes  stop after so many minutes      --jobs   processes that play at once (default: the cores)
  --first    stop at the first failure       --save   add failing seeds with their reasons to sim/seeds.json`

/** Throws a sentence for what cannot be meant. */
export function readOptions(args: readonly string[], cores: number): RunOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      trace: { type: 'boolean', default: false },
      from: { type: 'string', default: '1' },
      runs: { type: 'string' },
      minutes: { type: 'string' },
      jobs: { type: 'string', default: String(cores) },
      save: { type: 'boolean', default: false },
      first: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'seed' | 'from' | 'runs' | 'minutes' | 'jobs'): number | undefined => {
    const text = values[name]
    if (text === undefined) return undefined
    const value = Number(text)
    if (!(value >= 0) || (name !== 'minutes' && !Number.isInteger(value))) throw new Error(`--${name} must be a number, not ${text}.`)
    return value
  }
  const minutes = number('minutes')
  return {
    ...{ seed: number('seed'), trace: values.trace, from: number('from') ?? 1, minutes, save: values.save, first: values.first },
    runs: number('runs') ?? (minutes === undefined ? 200 : Number.MAX_SAFE_INTEGER),
    jobs: Math.max(1, number('jobs') ?? 1),
  }
}
