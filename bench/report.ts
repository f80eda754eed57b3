import type { FanOutPhase, FanOutSample } from './benchmarks/fan-out.js'
import type { IdleSample } from './benchmarks/idle.js'
import type { RelayPhase, RelaySample } from './benchmarks/relay.js'
import { type Contender, INNERLINE, RAW } from './contenders.js'
import type { Scale } from './scale.js'
import { spreadOf } from './statistics.js'

/** A contender's samples, one a round. */
export type Samples<T> = ReadonlyMap<Contender, readonly T[]>

interface Column<T> {
  readonly title: string
  readonly value: (sample: T) => number
  readonly digits: number
}

/** What innerline aims at: its `value` over the reference's, at most. */
interface Aim<T> {
  readonly value: (sample: T) => number
  readonly atMost: number
  readonly what: string
}

const percent = (share: number): number => share * 100

const busy = [
  { title: 'server busy %', value: ({ serverBusy }: { serverBusy: number }) => percent(serverBusy), digits: 0 },
  { title: 'generator busy %', value: ({ generatorBusy }: { generatorBusy: number }) => percent(generatorBusy), digits: 0 },
]

const relayCost = (phase: RelayPhase): number => phase.cpuMicrosPerMessage
const fanOutCost = (phase: FanOutPhase): number => phase.cpuMicrosPerDelivery

/** The relay benchmark as Markdown. */
export function reportRelay(samples: Samples<RelaySample>, scale: Scale): string {
  const aim = { value: relayCost, atMost: 2, what: 'CPU per message' }
  const cost = { title: 'CPU µs/message', value: relayCost, digits: 1 }
  const rate = { title: 'messages/s', value: (phase: RelayPhase) => phase.perSecond, digits: 0 }
  const latency = [
    { title: 'p50 ms', value: (phase: RelayPhase) => phase.p50Ms, digits: 2 },
    { title: 'p99 ms', value: (phase: RelayPhase) => phase.p99Ms, digits: 2 },
  ]
  return [
    `## relay: send → receive → ack, ${scale.pairs} pairs`,
    `### At ${scale.relayPerSecond} messages/s in all`,
    table(pick(samples, 'paced'), [cost, ...latency, ...busy], aim),
    `### As fast as it goes, ${scale.inFlightPerPair} in flight per pair`,
    table(pick(samples, 'saturated'), [cost, rate, ...latency, ...busy], aim),
  ].join('\n\n')
}

/** The fan-out benchmark as Markdown. */
export function reportFanOut(samples: Samples<FanOutSample>, scale: Scale): string {
  const cost = { title: 'CPU µs/delivery', value: fanOutCost, digits: 2 }
  const rate = { title: 'deliveries/s', value: (phase: FanOutPhase) => phase.deliveriesPerSecond, digits: 0 }
  const everyone = { title: 'to everyone, p50 ms', value: (phase: FanOutPhase) => phase.everyoneP50Ms ?? Number.NaN, digits: 1 }
  return [
    `## fan-out: one conversation, ${scale.members} connected members`,
    `### Under load, ${scale.fanOutInFlight} messages in flight`,
    table(pick(samples, 'loaded'), [cost, rate, ...busy], { value: fanOutCost, atMost: 0.5, what: 'CPU per delivery' }),
    '### One message at a time: nothing to coalesce, no aim',
    table(pick(samples, 'single'), [cost, everyone, ...busy]),
  ].join('\n\n')
}

/** The idle benchmark as Markdown. */
export function reportIdle(samples: Samples<IdleSample>, scale: Scale): string {
  const rss = (sample: IdleSample): number => sample.rssPerConnection
  return [
    `## idle: ${scale.idleConnections} connections, authenticated and subscribed, ${scale.idleMs / 1000} s`,
    table(
      samples,
      [
        { title: 'RSS bytes/connection', value: rss, digits: 0 },
        { title: 'heap bytes/connection', value: (sample) => sample.heapPerConnection, digits: 0 },
        { title: 'CPU µs/connection/s', value: (sample) => sample.cpuMicrosPerConnectionSecond, digits: 2 },
      ],
      { value: rss, atMost: 1.5, what: 'RSS per connection' },
    ),
  ].join('\n\n')
}

function pick<T, K extends keyof T>(samples: Samples<T>, key: K): Samples<T[K]> {
  return new Map([...samples].map(([contender, rounds]) => [contender, rounds.map((round) => round[key])]))
}

function table<T>(samples: Samples<T>, columns: readonly Column<T>[], aim?: Aim<T>): string {
  const ratioOf = (aim ?? { value: columns[0]?.value as (sample: T) => number }).value
  const rows = [...samples].map(([contender, rounds]) => {
    const cells = columns.map(({ value, digits }) => spread(rounds.map(value), digits))
    const [first = '', ...others] = cells
    return [contender.name, first, ratioCell(ratios(samples, contender, ratioOf)), ...others]
  })
  const [first, ...others] = columns.map(({ title }) => title)
  const lines = markdown(['', first ?? '', '× raw ws', ...others], rows)
  return aim === undefined ? lines : `${lines}\n\n${verdict(samples, aim)}`
}

/** Ratios to the reference within each round: what disturbed a whole round disturbs both. */
function ratios<T>(samples: Samples<T>, contender: Contender, value: (sample: T) => number): number[] {
  const reference = samples.get(RAW) ?? []
  return (samples.get(contender) ?? []).flatMap((sample, round) => {
    const base = reference[round]
    return base === undefined ? [] : [value(sample) / value(base)]
  })
}

function verdict<T>(samples: Samples<T>, { value, atMost, what }: Aim<T>): string {
  const found = ratios(samples, INNERLINE, value)
  if (found.length === 0) return `Aim: innerline's ${what} ≤ ${atMost} × raw ws; not measured.`
  const { median } = spreadOf(found)
  return `Aim: innerline's ${what} ≤ ${atMost} × raw ws; measured ${median.toFixed(2)} × (${median <= atMost ? 'met' : 'missed'}).`
}

const ratioCell = (values: readonly number[]): string => (values.length === 0 ? '–' : spread(values, 2))

function spread(values: readonly number[], digits: number): string {
  const { median, min, max } = spreadOf(values)
  const show = (value: number): string => value.toFixed(digits)
  return values.length === 1 || show(min) === show(max) ? show(median) : `${show(median)} (${show(min)}–${show(max)})`
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
