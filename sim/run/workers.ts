import { fork, type ChildProcess } from 'node:child_process'
import { type Outcome, playSeed } from './history.js'
import type { RunOptions } from './options.js'

/** Seeds a worker is given at once: few enough to share the end fairly. */
const CHUNK = 10
/** A seed that takes longer has no end. */
const HUNG_MS = 120_000

interface Order {
  readonly from: number
  readonly count: number
}

/**
 * Plays seeds in child processes, `done` being called with each outcome, in no order. `program` is the bundled simulator they run, this
 * one by default.
 */
export async function playMany(
  options: Pick<RunOptions, 'from' | 'runs' | 'minutes' | 'jobs' | 'first'>,
  done: (outcome: Outcome) => void,
  program = process.argv[1] as string,
): Promise<void> {
  const { from, runs, minutes, jobs, first } = options
  // What comes after the first failure is played for nothing.
  const chunk = first ? 1 : CHUNK
  const until = minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + minutes * 60_000
  let next = from
  let stop = false
  const order = (): Order | undefined => {
    if (stop || next >= from + runs || performance.now() >= until) return undefined
    const count = Math.min(chunk, from + runs - next)
    next += count
    return { from: next - count, count }
  }
  const outcome = (one: Outcome): void => {
    done(one)
    if (first && one.violations.length > 0) stop = true
  }
  await Promise.all(Array.from({ length: Math.min(jobs, Math.ceil(runs / chunk)) }, () => keepBusy(program, order, outcome)))
}

/** One worker after another, as one that hangs or dies is replaced. */
async function keepBusy(program: string, order: () => Order | undefined, done: (outcome: Outcome) => void): Promise<void> {
  let rest: Order | undefined
  for (let mine = rest ?? order(); mine !== undefined; mine = rest ?? order()) {
    rest = await new Promise<Order | undefined>((resolve) => {
      const child = fork(program, ['--worker'], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      attend(child, mine as Order, order, done, resolve)
    })
  }
}

function attend(
  child: ChildProcess,
  begin: Order,
  order: () => Order | undefined,
  done: (outcome: Outcome) => void,
  ended: (rest: Order | undefined) => void,
): void {
  let { from: seed, count: left } = begin
  let ending = false
  const give = (next: Order | undefined): void => {
    ending = next === undefined
    if (next === undefined) {
      child.disconnect()
      return
    }
    ;({ from: seed, count: left } = next)
    child.send(next)
  }
  const watch = (): NodeJS.Timeout => setTimeout(() => child.kill('SIGKILL'), HUNG_MS)
  let timer = watch()
  child.on('message', (outcome: Outcome) => {
    clearTimeout(timer)
    timer = watch()
    done(outcome)
    seed++
    if (--left === 0) give(order())
  })
  child.once('exit', (code, signal) => {
    clearTimeout(timer)
    if (ending) {
      ended(undefined)
      return
    }
    done(broken(seed, signal === 'SIGKILL' ? `has no end after ${HUNG_MS / 1_000} s` : `ended its process (${signal ?? code})`))
    ended(left > 1 ? { from: seed + 1, count: left - 1 } : undefined)
  })
  child.send(begin)
}

const broken = (seed: number, what: string): Outcome => ({
  ...{ seed, digest: '', steps: 0, virtualMs: 0, figures: { sends: 0, opens: 0, reconnects: 0, faults: 0 }, faults: {} },
  violations: [{ rule: 'uncaught', detail: `the history ${what}` }],
})

/** What a worker does: plays what it is told to, one seed after the other. */
export function serveParent(): void {
  process.on('message', ({ from, count }: Order) => {
    const play = async (): Promise<void> => {
      for (let seed = from; seed < from + count; seed++) process.send?.(await playSeed(seed))
    }
    void play()
  })
}
