import { runAppend } from './benchmarks/append.js'
import { runPage } from './benchmarks/page.js'
import { type RelayScale, runRelay } from './benchmarks/relay.js'
import { runSummary } from './benchmarks/summary.js'
import { type Contender, onStorages } from './contenders.js'
import type { BenchDatabase } from './databases.js'
import type { Profile } from './profile.js'
import { reportAppend, reportPage, reportStoredRelay, reportSummary } from './report-storage.js'
import { interleaved } from './rounds.js'
import type { Scale } from './scale.js'

/** The benchmarks that need a database. */
export const STORAGE_BENCHMARKS = ['append', 'relay-mysql', 'page', 'summary'] as const
export type StorageBenchmark = (typeof STORAGE_BENCHMARKS)[number]

export interface StorageRun {
  readonly databases: readonly BenchDatabase[]
  readonly scale: Scale
  readonly wanted: (name: StorageBenchmark) => boolean
  /** Prints a benchmark's report and keeps its samples. */
  readonly show: (name: StorageBenchmark, samples: unknown, report: string) => void
  readonly progress: (text: string) => void
}

const relayScale = (scale: Scale): RelayScale => ({ ...scale, relayPerSecond: scale.storedPerSecond })

/** Measures what is wanted on every database there is. */
export async function compareStorages({ databases, scale, wanted, show, progress }: StorageRun): Promise<void> {
  /** In rounds over the databases, for what compares within one of them. */
  const perDatabase = async <T>(name: StorageBenchmark, rounds: number, measure: (database: BenchDatabase) => Promise<T>) => {
    const samples = new Map<BenchDatabase, T[]>(databases.map((database) => [database, []]))
    for (let round = 1; round <= rounds; round++) {
      for (const database of databases) {
        progress(`${name}: round ${round} of ${rounds}, ${database.title}`)
        samples.get(database)?.push(await measure(database))
      }
    }
    progress('')
    return samples
  }
  const byTitle = <T>(samples: ReadonlyMap<BenchDatabase, T>) =>
    Object.fromEntries([...samples].map(([database, values]) => [database.title, values]))

  if (wanted('append')) {
    const samples = await perDatabase('append', scale.rounds, (database) => runAppend(database, scale))
    const reports = [...samples].map(([database, rounds]) => reportAppend(database, rounds))
    show('append', byTitle(samples), ['## append: durable appends without a server around them', ...reports].join('\n\n'))
  }
  if (wanted('relay-mysql')) {
    const contenders = onStorages(databases)
    const { rounds } = scale
    const samples = await interleaved({ name: 'relay-mysql', rounds, contenders, progress }, (contender) =>
      runRelay(contender, relayScale(scale)),
    )
    const [memory] = contenders
    show(
      'relay-mysql',
      Object.fromEntries([...samples].map(([{ name }, values]) => [name, values])),
      reportStoredRelay(samples, memory, scale),
    )
  }
  if (wanted('page')) {
    const samples = await perDatabase('page', 1, (database) => runPage(database, scale))
    const reports = [...samples].map(([database, [pages]]) => reportPage(database, pages ?? new Map(), scale))
    show(
      'page',
      byTitle(new Map([...samples].map(([database, [pages]]) => [database, Object.fromEntries(pages ?? [])]))),
      ['## page: 50 messages of a long conversation', ...reports].join('\n\n'),
    )
  }
  if (wanted('summary')) {
    const samples = await perDatabase('summary', 1, (database) => runSummary(database, scale))
    const reports = [...samples].map(([database, [connects]]) => reportSummary(database, connects ?? new Map()))
    show(
      'summary',
      byTitle(new Map([...samples].map(([database, [connects]]) => [database, [...(connects ?? new Map()).values()].flat()]))),
      ['## summary: what a user is told on connect', ...reports].join('\n\n'),
    )
  }
}

/** Profiles of our own processes on each database: the appender through the lanes, and the whole server. */
export async function profileStorages(
  { databases, scale, wanted }: Omit<StorageRun, 'show' | 'progress'>,
  profile: Profile,
): Promise<void> {
  for (const database of databases) {
    if (wanted('append')) await runAppend(database, scale, profile)
    if (wanted('relay-mysql')) await runRelay(onStorages([database]).at(-1) as Contender, relayScale(scale), profile)
  }
}
