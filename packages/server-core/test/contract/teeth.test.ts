import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { storageCases } from '../../src/contract/index.js'
import { plantedBugs } from './teeth/broken-storages.js'

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly ancestorTitles: readonly string[]; readonly status: string }[]
  }[]
}

// A contract that cannot fail proves nothing: each planted bug must be noticed by the behaviour that is about it.
it('the storage contract notices every planted bug', async () => {
  const report = JSON.parse(await runFixtures()) as Report
  const results = report.testResults.flatMap((file) => file.assertionResults)
  const failures = (title: string): number => results.filter((one) => one.ancestorTitles[0] === title && one.status === 'failed').length
  const unnoticed = plantedBugs.map(({ noticedBy, name }) => `${noticedBy}: ${name}`).filter((title) => failures(title) === 0)
  expect(unnoticed).toEqual([])
  expect(failures('control'), 'without a bug nothing fails').toBe(0)
  const behaviours = [...Object.keys(storageCases.shared), ...Object.keys(storageCases.fresh)]
  expect([...new Set(plantedBugs.map((bug) => bug.noticedBy))].sort(), 'each behaviour has a bug of its own').toEqual(behaviours.sort())
}, 60_000)

function runFixtures(): Promise<string> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const config = fileURLToPath(new URL('./teeth/vitest.config.ts', import.meta.url))
  return new Promise((resolve, reject) => {
    // The run fails on purpose, so its exit code says nothing; what it printed does.
    execFile(process.execPath, [vitest, 'run', '--config', config], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (stdout.startsWith('{')) resolve(stdout)
      else reject(new Error(`The fixtures did not run: ${stderr || stdout}`, { cause: error }))
    })
  })
}
