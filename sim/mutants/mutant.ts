import type { Plugin } from 'esbuild'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { groupBy } from '../checker/index.js'

/** One change of one source file. `find` occurs exactly once in it. */
export interface Edit {
  /** From the repository's root. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A bug planted on purpose: what the simulator must notice to be believed. */
export interface Mutant {
  readonly name: string
  /** What goes wrong, for people. */
  readonly says: string
  readonly edits: readonly Edit[]
  /** Needs more than ten seeds, which is too long for every `npm test`. */
  readonly rare?: true
}

/** The file's text with the edits made. Throws when one does not fit any more: a mutant that changes nothing proves nothing. */
export function mutated(text: string, edits: readonly Edit[]): string {
  return edits.reduce((before, { file, find, replace }) => {
    const [head, tail, ...more] = before.split(find)
    if (head === undefined || tail === undefined || more.length > 0)
      throw new Error(`${file} has ${tail === undefined ? 'no' : 'more than one'} place that reads: ${find}`)
    return head + replace + tail
  }, text)
}

export const editsByFile = ({ edits }: Mutant): ReadonlyMap<string, readonly Edit[]> => groupBy(edits, ({ file }) => file)

/** Plants a mutant while the simulator is bundled; the working tree is not touched. */
export function planted(mutant: Mutant, root: string): Plugin {
  const byFile = new Map([...editsByFile(mutant)].map(([file, edits]) => [join(root, file), edits]))
  return {
    name: `mutant ${mutant.name}`,
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const edits = byFile.get(path)
        return edits && { contents: mutated(readFileSync(path, 'utf8'), edits), loader: 'ts' }
      })
    },
  }
}
