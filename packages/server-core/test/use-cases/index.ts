import { afterAll, beforeAll, describe } from 'vitest'
import { acknowledgeCases } from './acknowledge.js'
import { appendLanesCases } from './append-lanes.js'
import { deliveryCases } from './delivery.js'
import { feedCases } from './feed.js'
import { listConversationsCases } from './list-conversations.js'
import { memberCases } from './members.js'
import { modelCases } from './model.js'
import { readMessagesCases } from './read-messages.js'
import { routeCases } from './routes.js'
import { sameAnswersCases } from './same-answers.js'
import { sendInTransactionCases } from './send-in-transaction.js'
import { sendMessageCases } from './send-message.js'
import { Stage, type OpenStage, type UseCaseBackend } from './stage.js'

export type { HostTransaction, ShownToOperators, UseCaseBackend, UseCaseStorage } from './stage.js'

const suites: Readonly<Record<string, (open: OpenStage, histories: number) => void>> = {
  'sending a message': sendMessageCases,
  'a send inside the host’s transaction': sendInTransactionCases,
  'append lanes': appendLanesCases,
  'reading messages': readMessagesCases,
  acknowledging: acknowledgeCases,
  'the summary': listConversationsCases,
  REST: routeCases,
  delivery: deliveryCases,
  'members of a conversation on a node': memberCases,
  'the change feed': feedCases,
  'three nodes in random histories': modelCases,
  'beside memory': sameAnswersCases,
}

/**
 * The tests of the use cases, one list for every storage: what differs between two storages in a way that a client can
 * see fails one of them. `make` is called once; the tests keep apart by ids of their own. `histories`: how many
 * random ones three nodes go through.
 */
export function useCases(name: string, make: () => Promise<UseCaseBackend>, { histories = 12 } = {}): void {
  describe(`use cases on ${name}`, () => {
    let backend: UseCaseBackend | undefined
    beforeAll(async () => {
      backend = await make()
    })
    afterAll(() => backend?.dispose())
    const open: OpenStage = (options) => {
      if (backend === undefined) throw new Error('There is no backend outside of a test.')
      return Stage.open(backend, options)
    }
    for (const [title, cases] of Object.entries(suites)) describe(title, () => cases(open, histories))
  })
}
