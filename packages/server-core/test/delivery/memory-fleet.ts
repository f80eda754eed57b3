import type { MemoryControls } from '../../src/memory/controls.js'
import type { MemoryData } from '../../src/memory/data.js'
import { TestClock } from '../support/test-clock.js'
import { TestIds } from '../support/test-ids.js'
import { openMemory } from '../use-cases/memory-backend.js'
import { Fleet } from './fleet.js'

/** A fleet over a memory storage of its own, with what else is known of it. Ids are the names; the same seed gives the same play. */
export class MemoryFleet extends Fleet {
  private constructor(
    seed: number,
    clock: TestClock,
    readonly backing = openMemory(clock),
  ) {
    super({ clock, ids: new TestIds(seed), suffix: '', storages: backing.nodes, backing })
  }

  get data(): MemoryData {
    return this.backing.data
  }

  get controls(): MemoryControls {
    return this.backing.controls
  }

  static start(nodes: number, { seed = 1, stopWithTest = true } = {}): Promise<MemoryFleet> {
    return new MemoryFleet(seed, new TestClock()).started(nodes, stopWithTest)
  }
}
