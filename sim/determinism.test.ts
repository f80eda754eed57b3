import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { bundleSimulator } from '../scripts/sim/bundle.mjs'
import { playSeed } from './run/history.js'

const run = promisify(execFile)
/** One in which nodes complain: what errors say must not depend on where they were made. */
const SEED = 77
/** Another Node to hold the story to as well, such as one of the npm package `node`. */
const OTHER_NODE = process.env['SIM_OTHER_NODE']

async function tell(): Promise<{ readonly trace: string; readonly digest: string; readonly lines: number }> {
  const hash = createHash('sha256')
  let lines = 0
  const { digest } = await playSeed(SEED, (line) => {
    hash.update(line).update('\n')
    lines++
  })
  return { trace: hash.digest('hex'), digest, lines }
}

it('one seed tells the same story twice, also after another and when nobody listens', { timeout: 60_000 }, async () => {
  const first = await tell()
  await playSeed(SEED + 1)
  expect(await tell()).toEqual(first)
  expect((await playSeed(SEED)).digest).toBe(first.digest)
  expect(first.lines).toBeGreaterThan(200)
})

it('one seed tells the same story, byte for byte, in two processes', { timeout: 60_000 }, async () => {
  const file = await bundleSimulator({ name: 'determinism' })
  const nodes = [process.execPath, OTHER_NODE ?? process.execPath]
  // A failing seed ends with 1, and is no matter here.
  const told = nodes.map((node) =>
    run(node, [file, '--seed', String(SEED), '--trace'], { maxBuffer: 64e6 }).catch((error: { stdout: string }) => error),
  )
  const [first, second] = await Promise.all(told)
  expect(first?.stdout.length).toBeGreaterThan(10_000)
  expect(first?.stdout).toContain(' warn: ')
  expect(second?.stdout === first?.stdout).toBe(true)
})
