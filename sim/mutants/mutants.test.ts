import { transform } from 'esbuild'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { editsByFile, MUTANTS, mutated } from './index.js'

const textOf = (file: string): string => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')

for (const mutant of MUTANTS) {
  // A bug that fits nowhere any more would be planted nowhere, and its absence found at once.
  it(`${mutant.name} can be planted`, async () => {
    for (const [file, edits] of editsByFile(mutant)) {
      const [before, after] = [textOf(file), mutated(textOf(file), edits)]
      const [plain, bug] = await Promise.all([before, after].map((text) => transform(text, { loader: 'ts' })))
      expect(bug?.code).not.toBe(plain?.code)
    }
  })
}

it('names each bug once', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
})

it('refuses an edit that fits nowhere, or in two places', () => {
  const edit = { file: 'a.ts', find: 'x', replace: 'y' }
  expect(mutated('a x b', [edit])).toBe('a y b')
  expect(() => mutated('a b', [edit])).toThrow('no place')
  expect(() => mutated('x x', [edit])).toThrow('more than one')
})
