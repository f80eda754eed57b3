// npm test: every check in the order that fails fastest. `npm test -- unit e2e` runs the named stages alone.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ensureChromium } from './toolchain/chromium.mjs'
import { root, run } from './toolchain/run.mjs'
import { buildDemo, buildPackages, install, requireNode } from './toolchain/setup.mjs'

const totals = { passed: 0, failed: 0, skipped: 0 }
const bin = (name) => `node_modules/.bin/${name}`
const command = async (program, args) => (await run(program, args)).code === 0

/** Runs one vitest project and adds its counts to the totals. A file that cannot be loaded has no tests, so it counts as one failure. */
async function vitest(project, env = {}) {
  const report = join(root, '.cache', `vitest-${project}.json`)
  rmSync(report, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { code } = await run(bin('vitest'), ['run', '--project', project, ...reporters], { env })
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  totals.passed += counts.numPassedTests ?? 0
  totals.skipped += (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0)
  totals.failed += Math.max(counts.numFailedTests ?? 0, code === 0 ? 0 : 1)
  return code === 0
}

async function endToEnd() {
  await buildPackages()
  await buildDemo()
  const chromium = await ensureChromium()
  if (chromium === undefined) {
    console.log('There is no Chromium on this machine (CHROMIUM_PATH may name one), so the browser tests are skipped.')
    if (process.env.CI) return false
  }
  return vitest('e2e', chromium === undefined ? {} : { CHROMIUM_PATH: chromium })
}

const stages = {
  typecheck: () => command(bin('tsc'), ['-p', 'tsconfig.json', '--noEmit']),
  lint: () => command('node', ['scripts/lint.mjs']),
  unit: () => vitest('unit'),
  service: () => vitest('service'),
  kill: () => vitest('kill'),
  sim: () => command('node', ['scripts/sim.mjs', '--runs', '2000']),
  // Whether the simulator would notice: `npm run sim:mutants` plants all of them.
  mutants: () => command('node', ['scripts/sim-mutants.mjs', '--quick']),
  build: () => buildPackages().then(() => true),
  size: () => buildPackages().then(() => command('node', ['scripts/size.mjs'])),
  e2e: endToEnd,
  pack: () => buildPackages().then(() => vitest('pack')),
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in stages))
if (unknown.length > 0) {
  console.error(`There is no stage ${unknown.join(', ')}. Stages: ${Object.keys(stages).join(', ')}.`)
  process.exit(2)
}

requireNode()
// At exit, so that the line also closes a run that a failed build ended.
process.once('exit', () => {
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
  console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`)
})
await install()
let failedStage
for (const [name, check] of Object.entries(stages)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.log(`\n== ${name}`)
  const started = performance.now()
  const ok = await check()
  console.log(`== ${name}: ${ok ? 'ok' : 'FAILED'} in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  if (ok) continue
  failedStage = name
  break
}
if (failedStage !== undefined) console.log(`\nStage ${failedStage} failed; later stages were not run.`)
process.exitCode = failedStage === undefined ? 0 : 1
