import { describe } from 'vitest'
import { storageCases } from '../../../src/contract/index.js'
import { freshHarness } from '../../../src/contract/lifecycle.js'
import type { Storage } from '../../../src/ports/storage.js'
import { memoryStorageHarness } from '../../support/memory-harness.js'
import { plantedBugs } from './broken-storages.js'

// Run by teeth.test.ts alone, which expects every block but the control to fail.
const cases: Readonly<Record<string, (typeof storageCases.shared)['append']>> = { ...storageCases.shared, ...storageCases.fresh }

describe('control', () => {
  for (const behaviour of Object.values(cases)) behaviour(freshHarness(() => memoryStorageHarness((storage): Storage => ({ ...storage }))))
})

for (const { name, noticedBy, spoil } of plantedBugs) {
  describe(`${noticedBy}: ${name}`, () => {
    cases[noticedBy]?.(freshHarness(() => memoryStorageHarness((storage): Storage => ({ ...storage, ...spoil(storage) }))))
  })
}
