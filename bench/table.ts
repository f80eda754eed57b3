import type { Contender } from './contenders.js'
import { spreadOf } from './statistics.js'

/** A contender's samples, one a round. */
export type Samples<T> = ReadonlyMap<Contender, readonly T[]>

export interface Column<T> {
  readonly title: string
  readonly value: (sample: T) => number
  readonly digits: number
}

/** What `of` aims at: its `value` over the reference's, at most. */
export interface Aim<T> {
  readonly of: Contender
  readonly value: (sample: T) => number
  readonly atMost: number
  readonly what: string
}

export interface Comparison<T> {
  readonly reference: Contender
  readonly aim?: Aim<T> | undefined
}

/** One phase of samples that have several. */
export function pick<T, K extends keyof T>(samples: Samples<T>, key: K): Samples<T[K]> {
  return new Map([...samples].map(([contender, rounds]) => [contender, rounds.map((round) => round[key])]))
}

/** A row for each contender; behind the first column, the ratio to the reference of what is aimed at, or else of the first column. */
export function table<T>(samples: Samples<T>, columns: readonly Column<T>[], { reference, aim }: Comparison<T>): string {
  const ratioOf = (aim ?? { value: columns[0]?.value as (sample: T) => number }).value
  const rows = [...samples].map(([contender, rounds]) => {
    const cells = columns.map(({ value, digits }) => spread(rounds.map(value), digits))
    const [first = '', ...others] = cells
    return [contender.name, first, ratioCell(ratiosTo(samples, reference, contender, ratioOf)), ...others]
  })
  const [first, ...others] = columns.map(({ title }) => title)
  const lines = markdown(['', first ?? '', `× ${reference.name}`, ...others], rows)
  return aim === undefined ? lines : `${lines}\n\n${verdict(samples, reference, aim)}`
}

const ratiosTo = <T>(samples: Samples<T>, reference: Contender, contender: Contender, value: (sample: T) => number): number[] =>
  ratios((samples.get(contender) ?? []).map(value), (samples.get(reference) ?? []).map(value))

function verdict<T>(samples: Samples<T>, reference: Contender, { of, value, atMost, what }: Aim<T>): string {
  const found = ratiosTo(samples, reference, of, value)
  const aim = `Aim: ${of.name}'s ${what} ≤ ${atMost} × ${reference.name}`
  if (found.length === 0) return `${aim}; not measured.`
  const { median } = spreadOf(found)
  return `${aim}; measured ${median.toFixed(2)} × (${median <= atMost ? 'met' : 'missed'}).`
}

/** Ratios within each round: what disturbed a whole round disturbs both. */
export function ratios(values: readonly number[], bases: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const base = bases[round]
    return base === undefined ? [] : [value / base]
  })
}

const ratioCell = (values: readonly number[]): string => (values.length === 0 ? '–' : spread(values, 2))

/** Median and range, for a cell. */
export function spread(values: readonly number[], digits: number): string {
  if (values.some(Number.isNaN)) return '–'
  const { median, min, max } = spreadOf(values)
  const show = (value: number): string => value.toFixed(digits)
  return values.length === 1 || show(min) === show(max) ? show(median) : `${show(median)} (${show(min)}–${show(max)})`
}

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
