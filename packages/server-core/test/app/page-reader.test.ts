import { isImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { PageReader } from '../../src/app/page-reader.js'
import type { MessageRange, MessageSlice } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'

const range = { conversationId: 'c', from: 1, to: 10, direction: 'forward', limit: 50 } as const

function heldReads(concurrency: number, queue: number) {
  const reads: { readonly range: MessageRange; resolve(slice: MessageSlice): void; reject(error: unknown): void }[] = []
  const storage = {
    readMessages: (asked: MessageRange) =>
      new Promise<MessageSlice>((resolve, reject) => {
        reads.push({ range: asked, resolve, reject })
      }),
  }
  return { reads, pages: new PageReader({ storage, concurrency, queue, pageBytes: 1_000 }) }
}

const slice = (): MessageSlice => ({ entries: [], more: false })

describe('the page reader', () => {
  it('never joins a running read: it may have looked before what the second caller asks for was there', async () => {
    const { reads, pages } = heldReads(4, 10)
    const first = pages.read(range)
    const second = pages.read(range)
    expect(reads).toHaveLength(2)
    const [one, two] = [slice(), slice()]
    reads[0]?.resolve(one)
    reads[1]?.resolve(two)
    expect(await first).toBe(one)
    expect(await second).toBe(two)
    expect(reads[0]?.range).toEqual({ ...range, maxBytes: 1_000 })
  })

  it('reads once for all who ask for what has not been issued yet', async () => {
    const { reads, pages } = heldReads(1, 10)
    const running = pages.read(range)
    const waiting = [pages.read(range), pages.read(range), pages.read({ ...range, to: 11 })]
    expect(reads).toHaveLength(1)
    reads[0]?.resolve(slice())
    await running
    await new TestClock().settle()
    // Issued now, and so not to be joined any more.
    const late = pages.read(range)
    const shared = slice()
    reads[1]?.resolve(shared)
    expect(await waiting[0]).toBe(shared)
    expect(await waiting[1]).toBe(shared)
    await new TestClock().settle()
    reads[2]?.resolve(slice())
    expect(await waiting[2]).not.toBe(shared)
    await new TestClock().settle()
    expect(reads[3]?.range.to).toBe(10)
    reads[3]?.resolve(slice())
    expect(await late).not.toBe(shared)
    expect(reads).toHaveLength(4)
  })

  it('answers BUSY when too many wait, and only then', async () => {
    const { reads, pages } = heldReads(2, 2)
    const all = [1, 2, 3, 4].map((from) => pages.read({ ...range, from }))
    const refused = await pages.read({ ...range, from: 5 }).catch((error: unknown) => error)
    expect(isImError(refused, 'BUSY')).toBe(true)
    // Whoever asks for what waits already costs nothing more.
    const shared = pages.read({ ...range, from: 4 })
    for (let i = 0; i < 4; i++) {
      reads[i]?.resolve(slice())
      await new TestClock().settle()
    }
    await Promise.all([...all, shared])
    expect(reads).toHaveLength(4)
  })

  it('passes failures on and gives their places back', async () => {
    const { reads, pages } = heldReads(1, 2)
    const failing = pages.read(range).catch((error: Error) => error.message)
    const next = pages.read({ ...range, from: 2 })
    reads[0]?.reject(new Error('outage'))
    expect(await failing).toBe('outage')
    await new TestClock().settle()
    reads[1]?.resolve(slice())
    expect(await next).toEqual(slice())
  })
})
