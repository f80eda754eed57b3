import { type AppendSample, type Method, MANY_CONNECTIONS, SAME_CONNECTIONS, type Shape, THROUGH_LANES } from './benchmarks/append.js'
import type { PageKind, PageSample } from './benchmarks/page.js'
import type { RelayPhase, RelaySample } from './benchmarks/relay.js'
import type { SummarySample } from './benchmarks/summary.js'
import type { Contender } from './contenders.js'
import type { BenchDatabase } from './databases.js'
import type { Scale } from './scale.js'
import { spreadOf } from './statistics.js'
import { markdown, pick, ratios, type Samples, spread, table } from './table.js'

const LEAST_APPENDS = 10
const MOST_PAGE = 1.5
const MOST_SUMMARY_MS = 5

const micros = (value: number): number => value
const median = (values: readonly number[]): number => spreadOf(values).median
const met = (reached: boolean): string => (reached ? 'met' : 'missed')

/** The append benchmark on one database as Markdown. `rounds` holds the samples of each round. */
export function reportAppend(database: BenchDatabase, rounds: readonly (readonly AppendSample[])[]): string {
  const shapes = (rounds[0] ?? []).filter(({ method }) => method === THROUGH_LANES.name).map(({ shape }) => shape)
  const of = (shape: Shape, { name }: Method): readonly AppendSample[] =>
    rounds.flatMap((round) => round.filter((each) => each.method === name && sameShape(each.shape, shape)))
  const rate = ({ perSecond }: AppendSample): number => perSecond
  const rows = shapes.map((shape) => {
    const [same, many, lanes] = [of(shape, SAME_CONNECTIONS), of(shape, MANY_CONNECTIONS), of(shape, THROUGH_LANES)]
    const cell = (samples: readonly AppendSample[], value: (sample: AppendSample) => number, digits = 0): string =>
      spread(samples.map(value), digits)
    const both = (value: (sample: AppendSample) => number, digits = 0): string => {
      const show = (samples: readonly AppendSample[]): string => median(samples.map(value)).toFixed(digits)
      return `${show(same)} → ${show(lanes)}`
    }
    return [
      `${shape.conversations} × ${shape.underWay}`,
      cell(lanes, rate),
      spread(ratios(lanes.map(rate), same.map(rate)), 1),
      spread(ratios(lanes.map(rate), many.map(rate)), 1),
      cell(same, rate),
      cell(many, rate),
      both(({ clientMicrosPerAppend }) => micros(clientMicrosPerAppend)),
      both(({ databaseMicrosPerAppend }) => micros(databaseMicrosPerAppend)),
      both(({ p50Ms }) => p50Ms, 1),
      both(({ p99Ms }) => p99Ms, 1),
    ]
  })
  const reached = shapes.map((shape) => median(ratios(of(shape, THROUGH_LANES).map(rate), of(shape, SAME_CONNECTIONS).map(rate))))
  const all = reached.map(
    (ratio, i) => `${shapes[i]?.conversations} × ${shapes[i]?.underWay}: ${ratio.toFixed(1)} (${met(ratio >= LEAST_APPENDS)})`,
  )
  const [lanes, same, many] = [THROUGH_LANES.atOnce, SAME_CONNECTIONS.atOnce, MANY_CONNECTIONS.atOnce]
  return [
    `### append on ${database.title}`,
    markdown(
      [
        ...['conversations × under way', 'lanes/s', `× one each, ${same} conn.`, `× one each, ${many} conn.`],
        ...[`one each/s, ${same} conn.`, `one each/s, ${many} conn.`, 'client CPU µs', 'database CPU µs', 'p50 ms', 'p99 ms'],
      ],
      rows,
    ),
    `An arrow leads from one transaction each to lanes, both over ${lanes} connections. Aim: lanes ≥ ${LEAST_APPENDS} × one transaction each over the same number of connections; measured ${all.join(', ')}.`,
  ].join('\n\n')
}

const sameShape = (a: Shape, b: Shape): boolean => a.conversations === b.conversations && a.underWay === b.underWay

/** The relay on several storages as Markdown. */
export function reportStoredRelay(samples: Samples<RelaySample>, reference: Contender, scale: Scale): string {
  const perMessage = (title: string, value: (phase: RelayPhase) => number) => ({
    title: `${title} CPU µs/message`,
    value: (phase: RelayPhase) => value(phase) / phase.messages,
    digits: 1,
  })
  const split = [
    perMessage('server', ({ cpuMicros }) => cpuMicros),
    perMessage('database', ({ databaseMicros }) => databaseMicros),
    perMessage('load', ({ generatorMicros }) => generatorMicros),
  ]
  const rate = { title: 'messages/s', value: ({ perSecond }: RelayPhase) => perSecond, digits: 0 }
  const busy = [
    { title: 'server busy %', value: ({ serverBusy }: RelayPhase) => serverBusy * 100, digits: 0 },
    { title: 'database busy %', value: ({ databaseBusy }: RelayPhase) => databaseBusy * 100, digits: 0 },
    { title: 'load busy %', value: ({ generatorBusy }: RelayPhase) => generatorBusy * 100, digits: 0 },
  ]
  const latency = [
    { title: 'RECEIPT p50 ms', value: ({ answeredP50Ms }: RelayPhase) => answeredP50Ms, digits: 1 },
    { title: 'RECEIPT p99 ms', value: ({ answeredP99Ms }: RelayPhase) => answeredP99Ms, digits: 1 },
    { title: 'delivered p50 ms', value: ({ p50Ms }: RelayPhase) => p50Ms, digits: 1 },
    { title: 'delivered p99 ms', value: ({ p99Ms }: RelayPhase) => p99Ms, digits: 1 },
  ]
  return [
    `## relay-mysql: the whole server, SEND → RECEIPT → delivered → ack, ${scale.pairs} pairs; no aim`,
    `### As fast as it goes, ${scale.inFlightPerPair} in flight per pair`,
    table(pick(samples, 'saturated'), [rate, ...split, ...busy, ...latency], { reference }),
    `### At ${scale.storedPerSecond} messages/s in all`,
    table(pick(samples, 'paced'), [split[0] as (typeof split)[number], ...split.slice(1), ...latency], { reference }),
  ].join('\n\n')
}

/** The page benchmark on one database as Markdown. */
export function reportPage(database: BenchDatabase, samples: ReadonlyMap<PageKind, readonly PageSample[]>, scale: Scale): string {
  const values = (kind: PageKind, value: keyof PageSample): number[] => (samples.get(kind) ?? []).map((sample) => sample[value])
  const row = (kind: PageKind, title: string): string[] => [
    title,
    spread(values(kind, 'medianMicros'), 0),
    spread(ratios(values(kind, 'medianMicros'), values('newest of few', 'medianMicros')), 2),
    spread(values(kind, 'databaseMicros'), 0),
  ]
  const many = scale.pageMessages.toLocaleString('en')
  const ratio = median(ratios(values('newest of many', 'medianMicros'), values('newest of few', 'medianMicros')))
  return [
    `### page on ${database.title}`,
    markdown(
      ['50 messages', 'µs, one after another', '×', 'database CPU µs'],
      [
        row('newest of few', 'newest of 1,000'),
        row('newest of many', `newest of ${many}`),
        row('middle of many', `anywhere in the middle of ${many}`),
      ],
    ),
    `Aim: the newest page of ${many} ≤ ${MOST_PAGE} × that of 1,000; measured ${ratio.toFixed(2)} × (${met(ratio <= MOST_PAGE)}).`,
  ].join('\n\n')
}

/** The summary benchmark on one database as Markdown. */
export function reportSummary(database: BenchDatabase, samples: ReadonlyMap<number, readonly SummarySample[]>): string {
  const rows = [...samples].map(([size, connects]) => [
    String(size),
    spread(
      connects.map(({ statements }) => statements),
      0,
    ),
    spread(
      connects.map(({ summaryMs }) => summaryMs),
      2,
    ),
    spread(
      connects.map(({ connectMs }) => connectMs),
      2,
    ),
  ])
  const [largest, connects] = [...samples].at(-1) ?? [0, []]
  const took = median(connects.map(({ summaryMs }) => summaryMs))
  const counts = new Set([...samples.values()].flat().map(({ statements }) => statements))
  return [
    `### summary on ${database.title}`,
    markdown(['conversations of the user', 'statements per connect', 'summary, database ms', 'all of them, database ms'], rows),
    `Aim: the summary of ${largest} conversations ≤ ${MOST_SUMMARY_MS} ms of database time; measured ${took.toFixed(2)} ms (${met(took <= MOST_SUMMARY_MS)}). Aim: statements per connect constant; measured ${[...counts].join(' or ')} (${met(counts.size === 1)}).`,
  ].join('\n\n')
}
