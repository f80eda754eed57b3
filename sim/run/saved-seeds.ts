import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Failure } from './report.js'

/** Seeds that once failed. A change of the world tells another story under the same number: what each found is in FOUND.md. */
const FILE = 'sim/seeds.json'

export const savedSeeds = (root = '.'): readonly Failure[] => JSON.parse(readFileSync(join(root, FILE), 'utf8')) as Failure[]

/** Adds those that are not there; returns how many. */
export function saveSeeds(failures: readonly Failure[], root = '.'): number {
  const saved = savedSeeds(root)
  const known = new Set(saved.map(({ seed }) => seed))
  const added = failures.filter(({ seed }) => !known.has(seed))
  const all = [...saved, ...added].sort((a, b) => a.seed - b.seed)
  writeFileSync(join(root, FILE), `${JSON.stringify(all, null, 2)}\n`)
  return added.length
}
