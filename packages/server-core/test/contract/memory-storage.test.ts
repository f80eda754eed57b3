import { storageContract } from '../../src/contract/index.js'
import { memoryStorageHarness } from '../support/memory-harness.js'

storageContract('memory', () => memoryStorageHarness())
