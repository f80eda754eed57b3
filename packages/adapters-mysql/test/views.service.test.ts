import { systemClock, unreadOf, visibleRange } from '@innerline/server-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrations } from '../src/index.js'
import { arrange } from './support/arrange.js'
import { type MysqlHarness, mysqlHarness } from './support/mysql-harness.js'
import { connect, rowsOf } from './support/scratch.js'
import { testServers } from './support/servers.js'

const users = ['ann', 'bob', 'cid', 'dee'] as const

/** Seeded, so that a history that fails can be had again. */
function chanceOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 4_294_967_296) * below)
  }
}

// Operators' queries and reports read these names; nothing else would notice if they drifted from what users see.
for (const { name, uri } of testServers) {
  describe(`the views for operators on ${name}`, () => {
    let harness: MysqlHarness
    beforeAll(async () => {
      harness = await mysqlHarness(uri)
    })
    afterAll(() => harness.dispose())

    it.each([1, 2, 3])('say what the storage says, after a random history (seed %i)', async (seed) => {
      const a = arrange(harness)
      const below = chanceOf(seed)
      const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T
      const ids = [await a.conversation(users), await a.conversation(users)]
      const sent: { id: string; msgId: string }[] = []
      const headOf = async (id: string): Promise<number> => (await harness.storage.readHeads([id]))[0]?.headSeq ?? 0
      for (let step = 0; step < 60; step++) {
        const [id, user, kind] = [pick(ids), pick(users), below(8)]
        if (kind < 4) {
          const item = a.text(id, user, `text ${step}`, { checkedAt: 0, ...(below(5) === 0 ? { kind: 'system', countable: false } : {}) })
          const [result] = await a.append([item])
          if (result?.ok && item.kind === 'message') sent.push({ id, msgId: item.msgId })
        } else if (kind === 4) {
          await harness.storage.advanceCursors([{ conversationId: id, userId: user, deliveredSeq: below(30), readSeq: below(20) }])
        } else if (kind === 5 && sent.length > 0) {
          const target = pick(sent)
          const recall = { kind: 'recall', countable: false, target: target.msgId, bodyJson: '{}', preview: '', checkedAt: 0 } as const
          await a.append([a.text(target.id, user, '', recall)])
        } else if (kind === 6) {
          await harness.arrangeMember(id, user, { leaveSeq: await headOf(id) })
        } else if (kind === 7) {
          const joinSeq = (await headOf(id)) + 1
          await harness.arrangeMember(id, user, { leaveSeq: null, joinSeq, visibleFrom: pick([1, joinSeq]) })
        }
      }
      await harness.storage.expireMessages({ before: systemClock.now() + 1_000, limit: 5 })
      const within = ids.map((id) => `'${id}'`).join(',')
      let offline = 0
      for (const user of users) {
        const counters = await rowsOf(
          harness.connection,
          `SELECT conversation_id, unread_count FROM ${harness.namespace}_t_im_unread_counter WHERE user_id = '${user}' AND conversation_id IN (${within})`,
        )
        const waiting = await rowsOf(
          harness.connection,
          `SELECT * FROM ${harness.namespace}_t_im_offline_message WHERE receiver_id = '${user}' AND conversation_id IN (${within}) ORDER BY conversation_id, seq`,
        )
        const expected: unknown[] = []
        for (const id of [...ids].sort()) {
          const { head, member } = (await harness.storage.readMember(id, user)) ?? {}
          if (head === undefined || member === undefined) throw new Error(`${user} has no row in ${id}.`)
          const { from, to } = visibleRange(head, member)
          const first = Math.max(from, member.deliveredSeq + 1, head.lowSeq)
          const range = { conversationId: id, from: first, to, direction: 'forward', limit: 1_000, maxBytes: 1 << 20 } as const
          const entries = first > to ? [] : (await harness.storage.readMessages(range)).entries
          for (const { seq, msgId, timestamp } of entries) expected.push({ id, session: id, seq, msgId, timestamp })
          const counter = counters.find((row) => String(row['conversation_id']) === id)
          expect(Number(counter?.['unread_count']), `${user} in ${id}`).toBe(unreadOf(head, member))
        }
        expect(
          waiting.map((row) => ({
            ...{ id: String(row['conversation_id']), session: String(row['session_id']), seq: Number(row['seq']) },
            ...{ msgId: String(row['msg_id']), timestamp: Number(row['created_at']) },
          })),
        ).toEqual(expected)
        offline += expected.length
        // A recalled text is nowhere to be read; what has none is named by its kind.
        for (const row of waiting) expect(String(row['msg_brief'])).toMatch(/^(text \d+|\[\w+\])$/)
      }
      expect(offline).toBeGreaterThan(5)
    })

    it.each(['utf8mb4', 'latin1'])('brief a message in any script, made by a client that speaks %s', async (charset) => {
      const a = arrange(harness)
      const id = await a.conversation(['ann', 'bob'])
      // As somebody makes them who applies the SQL files by hand.
      const client = await connect(uri, { charset })
      for (const statement of migrations.flatMap(({ statements }) => statements).filter((each) => each.startsWith('CREATE OR REPLACE')))
        await client.query(statement.replace(/\bt_(cs|im)_/g, `${harness.namespace}_t_$1_`))
      await client.end()
      const gone = a.text(id, 'ann', 'secret')
      const texts = ['你好，世界', 'ü'.repeat(300), '🙂'.repeat(100), 'plain']
      await a.accepted([gone, ...texts.map((text) => a.text(id, 'ann', text))])
      await a.accepted([
        a.text(id, 'ann', '', { bodyJson: '{"type":"图片","url":"/x"}' }),
        a.text(id, 'ann', '', { kind: 'recall', countable: false, target: gone.msgId, bodyJson: '{}', preview: '' }),
      ])
      const rows = await rowsOf(
        harness.connection,
        `SELECT msg_brief FROM ${harness.namespace}_t_im_offline_message WHERE receiver_id = 'bob' AND conversation_id = '${id}' ORDER BY seq`,
      )
      expect(rows.map((row) => String(row['msg_brief']))).toEqual([
        ...['[message]', '你好，世界', 'ü'.repeat(100), '🙂'.repeat(100), 'plain', '[图片]', '[recall]'],
      ])
    })
  })
}
