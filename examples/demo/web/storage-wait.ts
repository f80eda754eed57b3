import type { ImClient, Readable } from '@innerline/sdk-client'
import { Cell } from './dom.js'
import type { NetworkEvent } from './faults.js'

/** Refusals that pass: nothing is wrong with the message or with the connection, and the SDK goes on trying by itself. */
const PASSING: ReadonlySet<string> = new Set(['UNAVAILABLE', 'BUSY'])
/** What the SDK reads again and again while a conversation is being pulled. */
const PULLS = /\/(im\/offline|chat\/messages\/session)\//

export interface StorageWait {
  /** Whether something of this client waits because the server cannot store or read at the moment, though it is reached. */
  readonly waits: Readable<boolean>
  /** Takes what the network saw. */
  saw(event: NetworkEvent): void
  /** Looks at the client's outbox and conversations from now on; returns the undo. */
  watch(client: Pick<ImClient, 'outbox' | 'conversations'>): () => void
}

export function storageWait(): StorageWait {
  const waits = new Cell(false)
  const refused = new Set<string>()
  let pullRefused = false
  let update = (): void => undefined
  return {
    waits,
    saw(event) {
      if (event.type !== 'fetch' || event.status === undefined || !PULLS.test(event.path)) return
      pullRefused = event.status >= 500
      update()
    },
    watch({ outbox, conversations }) {
      update = () => {
        const items = outbox.getSnapshot().filter(({ status }) => status !== 'failed')
        // An item that is being tried again has no error for a moment; it waits until it leaves the outbox.
        for (const { msgId, error } of items) if (error !== undefined && PASSING.has(error.code)) refused.add(msgId)
        for (const msgId of refused) if (!items.some((item) => item.msgId === msgId)) refused.delete(msgId)
        const pulling = pullRefused && conversations.getSnapshot().some(({ sync }) => sync === 'pulling')
        waits.set(refused.size > 0 || pulling)
      }
      const undo = [outbox.subscribe(update), conversations.subscribe(update)]
      return () => {
        for (const off of undo) off()
      }
    },
  }
}
