import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import type { Current, Harness } from './harness.js'

/** One harness for all cases of a block: they keep apart by random ids. */
export function sharedHarness<H extends Harness>(make: () => Promise<H>): Current<H> {
  let harness: H | undefined
  beforeAll(async () => {
    harness = await make()
  })
  afterAll(async () => {
    await harness?.dispose()
    harness = undefined
  })
  return () => harness as H
}

/** A harness per case, where a case reads or moves what all conversations share. */
export function freshHarness<H extends Harness>(make: () => Promise<H>): Current<H> {
  let harness: H | undefined
  beforeEach(async () => {
    harness = await make()
  })
  afterEach(async () => {
    await harness?.dispose()
    harness = undefined
  })
  return () => harness as H
}
