/** The middle of several rounds, with the least and the most. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Median and range of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number }
}

/** The `p`-quantile (0 to 1) of samples, which are sorted in place; NaN of none. */
export function quantile(samples: number[], p: number): number {
  samples.sort((a, b) => a - b)
  return samples[Math.min(samples.length - 1, Math.floor(p * samples.length))] ?? Number.NaN
}
