import { clientMutants } from './client.js'
import type { Mutant } from './mutant.js'
import { nodeMutants } from './node.js'
import { storageMutants } from './storage.js'

export * from './mutant.js'

/** Every planted bug. */
export const MUTANTS: readonly Mutant[] = [...storageMutants, ...nodeMutants, ...clientMutants]
