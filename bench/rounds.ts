import type { Contender } from './contenders.js'
import type { Samples } from './table.js'

export interface Rounds {
  readonly name: string
  readonly rounds: number
  readonly contenders: readonly Contender[]
  readonly progress: (text: string) => void
}

/** Runs A B C A B C …, so that a slow minute of the machine falls on all. */
export async function interleaved<T>(
  { name, rounds, contenders, progress }: Rounds,
  measure: (contender: Contender) => Promise<T>,
): Promise<Samples<T>> {
  const samples = new Map<Contender, T[]>(contenders.map((contender) => [contender, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      progress(`${name}: round ${round} of ${rounds}, ${contender.name}`)
      samples.get(contender)?.push(await measure(contender))
    }
  }
  progress('')
  return samples
}
