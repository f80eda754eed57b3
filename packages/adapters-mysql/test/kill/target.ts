import type { Storage } from '@innerline/server-core'
import { mysqlStorage } from '../../src/index.js'
import { type Fault, ReferenceLog } from './reference-log.js'

/** What a kill run asks of the storage it runs against. */
export type KillTarget = Pick<
  Storage,
  'start' | 'close' | 'openConversation' | 'appendMessages' | 'readHeads' | 'readMember' | 'readMessages' | 'advanceCursors'
> &
  Pick<Storage, 'startPosition' | 'changes' | 'acquireLease' | 'resolveGaps' | 'openReader' | 'saveReader' | 'epoch'>

/** Plain data, as it crosses to worker processes. */
export interface TargetSpec {
  readonly uri: string
  /** Table prefix: runs on one server do not meet. */
  readonly namespace: string
  /** The adapter, or a miniature of its protocol with at most one fault planted. */
  readonly kind: 'adapter' | 'reference'
  readonly fault?: Fault | undefined
}

export const openTarget = ({ uri, namespace, kind, fault }: TargetSpec): KillTarget =>
  kind === 'adapter' ? mysqlStorage({ uri, namespace, logger: { warn: () => undefined } }) : new ReferenceLog({ uri, namespace, fault })
