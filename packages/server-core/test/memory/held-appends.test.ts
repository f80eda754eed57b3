import { describe, expect, it } from 'vitest'
import { Arrange } from '../../src/contract/arrange.js'
import { memoryStorageHarness } from '../support/memory-harness.js'

describe('an append to a conversation that is held', () => {
  it('is answered `held` by one that may not wait, and the rest of its batch is not', async () => {
    const harness = await memoryStorageHarness()
    const a = new Arrange(harness)
    const [slow, quick] = [await a.conversation(['ann']), await a.conversation(['ann'])]
    const late = await harness.lateAppend(a.text(slow, 'ann'))
    const items = [a.text(slow, 'ann'), a.text(quick, 'ann'), a.text(slow, 'ann')]
    const results = await a.storage.appendMessages({ nodeId: 'n', now: harness.clock.now(), items, waitMs: 0 })
    expect(results.map((result) => (result.ok ? result.seq : [result.code, result.held]))).toEqual([['BUSY', true], 1, ['BUSY', true]])
    await late.commit()
    expect((await a.accepted([items[0] as never]))[0]).toMatchObject({ seq: 2, duplicate: false })
  })

  it('waits as long as it may, and no longer', async () => {
    const harness = await memoryStorageHarness()
    const a = new Arrange(harness)
    const slow = await a.conversation(['ann'])
    const late = await harness.lateAppend(a.text(slow, 'ann'))
    const waiting = a.storage.appendMessages({ nodeId: 'n', now: harness.clock.now(), items: [a.text(slow, 'ann')], waitMs: 500 })
    await harness.advance(501)
    expect(await waiting).toEqual([expect.objectContaining({ ok: false, held: true })])
    const patient = a.append([a.text(slow, 'ann')])
    await harness.advance(5_000)
    await late.commit()
    expect((await patient)[0]).toMatchObject({ ok: true, seq: 2 })
  })
})
