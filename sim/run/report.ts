import type { Violation } from '../checker/index.js'
import { type Figures, FLOORS, type Outcome } from './history.js'

const SHOWN = 5

/** A failing seed with what was wrong. */
export interface Failure {
  readonly seed: number
  readonly reason: string
}

export function describeOutcome({ seed, violations, digest, steps, virtualMs, figures, faults }: Outcome): string {
  const { sends, opens, reconnects } = figures
  const what = `${sends} sends, ${opens} opens, ${reconnects} reconnects, ${figures.faults} faults, ${steps} steps in ${(virtualMs / 1_000).toFixed(0)} s`
  const head = `seed ${seed} ${violations.length === 0 ? 'holds' : 'FAILS'} (${what}; ${digest})`
  const kinds = Object.entries(faults)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ×${count}`)
  return [
    head,
    ...shown(violations).map((line) => `    ${line}`),
    ...(violations.length === 0 ? [] : [`    faults: ${kinds.join(', ')}`]),
  ].join('\n')
}

function shown(violations: readonly Violation[]): string[] {
  const lines = violations.slice(0, SHOWN).map(({ rule, detail }) => `${rule}: ${detail}`)
  return violations.length > SHOWN ? [...lines, `… and ${violations.length - SHOWN} more`] : lines
}

/** Adds outcomes up. */
export class Tally {
  played = 0
  readonly failures: Failure[] = []
  readonly figures: Record<keyof Figures, number[]> = { sends: [], opens: [], reconnects: [], faults: [] }
  readonly faults = new Map<string, { seeds: number; times: number }>()
  virtualMs = 0
  steps = 0
  readonly #startedAt = performance.now()

  add({ seed, violations, figures, faults, virtualMs, steps }: Outcome): void {
    this.played++
    this.virtualMs += virtualMs
    this.steps += steps
    const [first] = violations
    if (first !== undefined) this.failures.push({ seed, reason: `${first.rule}: ${first.detail}` })
    for (const name of Object.keys(this.figures) as (keyof Figures)[]) this.figures[name].push(figures[name])
    for (const [kind, times] of Object.entries(faults)) {
      const known = this.faults.get(kind) ?? { seeds: 0, times: 0 }
      this.faults.set(kind, { seeds: known.seeds + 1, times: known.times + times })
    }
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1_000
  }

  progress(): string {
    const { played, seconds, virtualMs, failures } = this
    const perMinute = ((played / seconds) * 60).toFixed(0)
    return `${played} seeds in ${seconds.toFixed(0)} s, ${perMinute} a minute, ${(virtualMs / 60_000 / seconds).toFixed(1)} simulated minutes a second, ${failures.length} failed`
  }
}

/** The end of a run: how much happened per seed, what kinds of faults, and which seeds failed with which rule. */
export function describeFigures(tally: Tally): string {
  const { figures, faults, failures, played, steps } = tally
  const lines = ['', 'per seed     floor    min    10%    50%    90%    max']
  for (const [name, values] of Object.entries(figures) as [keyof Figures, number[]][]) {
    const sorted = [...values].sort((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
    const columns = [FLOORS[name], at(0), at(0.1), at(0.5), at(0.9), at(1)].map((value) => String(value).padStart(7))
    lines.push(`${name.padEnd(11)}${columns.join('')}`)
  }
  const kinds = [...faults].sort(([, a], [, b]) => b.seeds - a.seeds).map(([kind, { seeds, times }]) => `${kind} ${times} in ${seeds}`)
  lines.push('', `faults, in seeds: ${kinds.join(', ')}`, `${(steps / Math.max(1, played)).toFixed(0)} steps a seed`)
  const rules = new Map<string, number[]>()
  for (const { seed, reason } of failures) {
    const [rule = ''] = reason.split(':')
    rules.set(rule, [...(rules.get(rule) ?? []), seed])
  }
  for (const [rule, seeds] of rules) {
    lines.push(
      `${rule}: seeds ${seeds
        .slice(0, 12)
        .sort((a, b) => a - b)
        .join(', ')}${seeds.length > 12 ? ` and ${seeds.length - 12} more` : ''}`,
    )
  }
  return [...lines, tally.progress()].join('\n')
}
