import type { AppendResult, Storage } from '@innerline/server-core'
import type { HostTransaction, ShownToOperators, UseCaseBackend } from '@innerline/server-core/use-cases'
import { type MysqlHarness, mysqlHarness } from './mysql-harness.js'
import { connect, rowsOf } from './scratch.js'

/** One set of tables for all tests of a run, reached by three nodes. */
export async function mysqlBackend(uri: string): Promise<UseCaseBackend> {
  const harness = await mysqlHarness(uri)
  const nodes: readonly [Storage, Storage, Storage] = [harness.storage, await harness.second(), await harness.second()]
  // As the append's own transactions, so that nothing is locked but rows.
  await harness.connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  const begin = async (): Promise<HostTransaction> => {
    const tx = await connect(uri)
    await tx.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
    await tx.beginTransaction()
    let open = true
    const end = (how: 'commit' | 'rollback') => async (): Promise<void> => {
      if (!open) return
      open = false
      await tx[how]()
      await tx.end()
    }
    return { tx, commit: end('commit'), rollback: end('rollback') }
  }
  return {
    apart: false,
    async open() {
      return {
        nodes,
        begin,
        async arrangeMember(conversationId, userId, member, entry) {
          const { connection, storage } = harness
          let results: readonly AppendResult[] = []
          await connection.beginTransaction()
          try {
            await harness.arrangeMember(conversationId, userId, member)
            if (entry !== undefined) results = (await storage.appendInTransaction?.(connection, entry)) ?? []
            await connection.commit()
          } finally {
            await connection.rollback()
          }
          return results
        },
        arrangeState: (conversationId, state) => harness.arrangeState(conversationId, state),
        shown: (userId) => shownToOperators(harness, userId),
      }
    },
    dispose: () => harness.dispose(),
  }
}

/** The two views. */
async function shownToOperators({ connection, namespace }: MysqlHarness, userId: string): Promise<ShownToOperators> {
  const user = connection.escape(userId)
  const counters = await rowsOf(
    connection,
    `SELECT conversation_id, unread_count FROM \`${namespace}_t_im_unread_counter\` WHERE user_id = ${user} AND unread_count > 0`,
  )
  const messages = await rowsOf(
    connection,
    `SELECT conversation_id, seq FROM \`${namespace}_t_im_offline_message\` WHERE receiver_id = ${user} ORDER BY seq`,
  )
  const undelivered: Record<string, number[]> = {}
  for (const row of messages) {
    const conversationId = String(row['conversation_id'])
    undelivered[conversationId] = [...(undelivered[conversationId] ?? []), Number(row['seq'])]
  }
  return { unread: Object.fromEntries(counters.map((row) => [String(row['conversation_id']), Number(row['unread_count'])])), undelivered }
}
