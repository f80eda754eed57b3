import { describe } from 'vitest'
import type { Current, StorageHarness } from './harness.js'
import { freshHarness, sharedHarness } from './lifecycle.js'
import { appendCases } from './storage/append.js'
import { cursorCases } from './storage/cursors.js'
import { editCases } from './storage/edits.js'
import { feedCases } from './storage/feed.js'
import { gapCases } from './storage/gaps.js'
import { hostileCases } from './storage/hostile.js'
import { idempotencyCases } from './storage/idempotency.js'
import { leaseCases } from './storage/leases.js'
import { lifeCases } from './storage/life.js'
import { memberCases } from './storage/members.js'
import { readerCases } from './storage/readers.js'
import { readingCases } from './storage/reading.js'
import { retentionCases } from './storage/retention.js'
import { summaryCases } from './storage/summaries.js'
import { unreadModelCases } from './storage/unread-model.js'
import { userCases } from './storage/users.js'

/** Cases of a Storage by behaviour: those that keep apart by random ids, and those that need data of their own. */
export const storageCases = {
  shared: {
    append: appendCases,
    idempotency: idempotencyCases,
    reading: readingCases,
    members: memberCases,
    cursors: cursorCases,
    unread: unreadModelCases,
    summaries: summaryCases,
    edits: editCases,
    hostile: hostileCases,
    users: userCases,
    leases: leaseCases,
  },
  fresh: {
    life: lifeCases,
    feed: feedCases,
    gaps: gapCases,
    readers: readerCases,
    retention: retentionCases,
  },
} as const

/**
 * What every Storage must do. `make` brings a storage on data of its own each time it is called. `additional` adds
 * cases that only this backend can have.
 */
export function storageContract(
  name: string,
  make: () => Promise<StorageHarness>,
  additional?: (current: Current<StorageHarness>) => void,
): void {
  describe(`Storage: ${name}`, () => {
    for (const [behaviour, cases] of Object.entries(storageCases.shared)) {
      describe(behaviour, () => cases(sharedHarness(make)))
    }
    for (const [behaviour, cases] of Object.entries(storageCases.fresh)) {
      describe(behaviour, () => cases(freshHarness(make)))
    }
    if (additional !== undefined) describe('additional', () => additional(freshHarness(make)))
  })
}
