import { uuidV7 } from '@innerline/protocol'
import { randomFillSync } from 'node:crypto'
import type { Ids } from '../ports/index.js'

const POOL_BYTES = 4_096

/** Chance from the system, fetched in blocks: one call per id would cost more than the id. */
export function systemIds(): Ids {
  const pool = new Uint8Array(POOL_BYTES)
  let at = POOL_BYTES
  return {
    uuid() {
      if (at === POOL_BYTES) {
        randomFillSync(pool)
        at = 0
      }
      const random = pool.subarray(at, at + 16)
      at += 16
      return uuidV7(Date.now(), random)
    },
    random: () => Math.random(),
  }
}
