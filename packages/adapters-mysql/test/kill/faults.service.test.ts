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
    // Between its answer and its COMMIT a connection with the first fault is idle. The others need no kill to show: too many would keep
    // two writers of one message apart, and readers from reading between two commits.
    const harm = killConnections(
      fault === 'ack-before-commit' ? { uri: server().url, everyMs: 5, busyShare: 0 } : { uri: server().url, everyMs: 20 },
    )
    // Batches that share no conversation commit side by side, their ids in any order; those that share one wait for each other.
    const load =
      fault === 'feed-above-last' ? { appends: 800, sharedEvery: 10, conversations: 400, window: 4 } : { appends: 1_200, sharedEvery: 2 }
    const { history } = await killRun({ uri: server().url, kind: 'reference', fault, harm, ...load })
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
    // Whether two things meet is chance, on a busy machine more so: what the tests of the adapter do once shows it in one of three.
    let broken: readonly Rule[] = []
    for (let run = 0; run < 3 && !broken.includes(rule); run++) broken = await rulesBroken(fault)
    expect(broken).toContain(rule)
  })
})
