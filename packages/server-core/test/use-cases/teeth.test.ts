import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plantedBugs } from '../contract/teeth/broken-storages.js'
import { memoryBackend } from './memory-backend.js'
import { sameAnswers } from './same-answers.js'
import { Stage } from './stage.js'

/** Behaviour that shows when one thing is asked after another. Races, gaps, readers and leases have the contract and the fleet. */
const SEQUENTIAL = ['append', 'reading', 'members', 'cursors', 'unread', 'summaries', 'edits', 'hostile']

describe('random histories beside memory notice', () => {
  it.each(plantedBugs.filter(({ noticedBy }) => SEQUENTIAL.includes(noticedBy)))('that $name', { timeout: 60_000 }, async ({ spoil }) => {
    const backend = memoryBackend(spoil)
    const histories = sameAnswers((options) => Stage.open(backend, options))
    expect((await fc.check(histories, { numRuns: 400, endOnFailure: true, seed: 7 })).failed).toBe(true)
  })
})
