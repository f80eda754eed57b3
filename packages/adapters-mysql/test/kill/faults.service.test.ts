import { describe, expect, it } from 'vitest'
import { checkHistory, type Rule } from '../../../../sim/checker/index.js'
import { killConnections } from './harms.js'
import { killRun } from './kill-run.js'
import { ownServer, privateServers } from './private-server.js'
import type { Fault } from './reference-log.js'

/** A run on the reference log shows the faults that are planted in it, and none when none is. */
describe.runIf(privateServers.includes('mariadb'))('a kill run on a log with a fault planted', () => {
  const server = ownServer('mariadb')

  const rulesBroken = async (fault: Fault | undefined): Promise<readonly Rule[]> => {
    const { url: uri } = server()
    // Between its answer and its COMMIT a connection with this fault is idle.
    const harm = killConnections({ uri, everyMs: 5, busyShare: fault === 'ack-before-commit' ? 0 : 0.6 })
    const { history } = await killRun({ uri, kind: 'reference', fault, appends: 1_200, seed: 4, harm })
    return [...new Set(checkHistory(history).violations.map(({ rule }) => rule))]
  }

  it('finds nothing where there is none', async () => {
    expect(await rulesBroken(undefined)).toEqual([])
  })

  it.each<[Fault, Rule]>([
    ['ack-before-commit', 'lost-acknowledged'],
    ['dedupe-before-lock', 'two-seqs'],
    ['repeatable-read', 'two-seqs'],
    ['feed-above-last', 'feed-hole'],
    ['cursor-read-modify-write', 'cursor-backward'],
  ])('finds %s by %s', async (fault, rule) => {
    expect(await rulesBroken(fault)).toContain(rule)
  })
})
