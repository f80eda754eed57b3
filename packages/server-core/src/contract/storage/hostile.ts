import { directConversationId, groupConversationId, serviceConversationId } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'

const filler = (bytes: number, unit: string): string => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit)))

const bodies: Readonly<Record<string, string>> = {
  quotes: JSON.stringify({ type: 'text', text: `' " \` \\ \\' '' -- ; /* */ \${x} %s ?` }),
  statement: JSON.stringify({ type: 'text', text: `'); DROP TABLE t_cs_message; -- ` }),
  'NUL and control escapes': '{"type":"text","text":"\\u0000\\u0001\\b\\n\\r\\t\\u001b\\u007f"}',
  'characters of four bytes': JSON.stringify({ type: 'text', text: '😀🏳️‍🌈𠜎 한글 内线 é e\u0301' }),
  'half a surrogate pair, escaped': '{"type":"text","text":"\\ud83d"}',
  'line separators and a byte order mark': JSON.stringify({ type: 'text', text: '\u2028\u2029\ufeff\u00a0' }),
  'odd spacing and repeated keys': '{ "type" :\t"x-odd","b":1.0,"a":1e3,  "a":2 , "z":[ ] }',
  'trailing blanks': '{"type":"text","text":"end   "}   ',
  '48 KiB of one byte': JSON.stringify({ type: 'text', text: filler(48 * 1024 - 30, 'a') }),
  '48 KiB of four-byte characters': JSON.stringify({ type: 'text', text: filler(48 * 1024 - 30, '😀') }),
  '48 KiB of quotes': `{"type":"text","text":"${filler(48 * 1024 - 30, '\\"')}"}`,
}

export function hostileCases(current: Current<StorageHarness>): void {
  describe('what users write', () => {
    it.each(Object.entries(bodies))('is kept byte for byte: %s', async (_, bodyJson) => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'ann', '', { bodyJson })
      await a.accepted([item])
      expect((await readLog(a.storage, id))[0]?.bodyJson === bodyJson, 'the page holds the same text').toBe(true)
      expect((await a.storage.findEntry(item.msgId))?.bodyJson === bodyJson, 'so does the entry').toBe(true)
    })

    it('keeps many large bodies of one batch apart', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const items = Object.values(bodies).map((bodyJson) => a.text(id, 'ann', '', { bodyJson }))
      await a.accepted(items)
      expect((await readLog(a.storage, id)).map((entry) => entry.bodyJson)).toEqual(Object.values(bodies))
    })

    it('keeps previews of 100 four-byte characters', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const preview = '😀'.repeat(100)
      await a.accepted([a.text(id, 'ann', preview, { preview })])
      expect((await a.head(id)).last?.preview).toBe(preview)
    })
  })

  describe('ids', () => {
    const every = 'ABCXYZabcxyz0123456789._@|:+=-'

    it('may use every allowed character, up to 64', async () => {
      const a = new Arrange(current())
      const long = `${every}${'z'.repeat(64 - every.length)}`
      const odd = [
        '.',
        '-',
        '=',
        '|',
        '@',
        ':',
        '+',
        '_',
        '0',
        '-1',
        '..',
        'null',
        'undefined',
        '__proto__',
        'constructor',
        '*'.replace('*', '1e3'),
      ]
      for (const userId of [long, ...odd]) {
        const id = directConversationId(userId, long)
        await a.open(id, 'direct', [userId, long])
        await a.texts(id, userId, 1)
        expect(await a.member(id, userId)).toMatchObject({ userId, sentOrd: 1 })
        expect((await a.storage.memberships(userId)).map((m) => m.conversationId)).toContain(id)
        expect((await readLog(a.storage, id))[0]?.fromUserId).toBe(userId)
      }
    })

    it('differ by case alone: Bob is not bob', async () => {
      const a = new Arrange(current())
      const tail = current().ids.uuid().slice(24)
      const [upper, lower] = [`Bob-${tail}`, `bob-${tail}`]
      const id = await a.conversation([upper, lower])
      await a.texts(id, upper, 3)
      await a.storage.advanceCursors([{ conversationId: id, userId: lower, readSeq: 2 }])
      expect([(await a.member(id, upper)).readSeq, (await a.member(id, lower)).readSeq]).toEqual([0, 2])
      expect(await a.storage.listMemberIds(id, { limit: 5 })).toEqual([upper, lower])
      const [big, small] = [groupConversationId(`G${tail}`), groupConversationId(`g${tail}`)]
      await a.open(big, 'group', [upper])
      await a.open(small, 'group', [lower])
      await a.texts(big, upper, 2)
      await a.texts(small, lower, 1)
      expect([(await a.head(big)).headSeq, (await a.head(small)).headSeq]).toEqual([2, 1])
      expect((await a.storage.readMember(small, upper))?.member).toBeUndefined()
    })

    it('of groups and sessions may be anything of their alphabet, and never meet', async () => {
      const a = new Arrange(current())
      for (const bare of ['-', '_', '0', '00', '-1', 'd', 'A'.repeat(64), '1e3', 'NULL', 'x--', 'group']) {
        const [group, service] = [groupConversationId(bare), serviceConversationId(bare)]
        await a.open(group, 'group', ['ann'])
        await a.open(service, 'service', ['bob'])
        await a.texts(group, 'ann', 2)
        await a.texts(service, 'bob', 1)
        expect([(await a.head(group)).headSeq, (await a.head(service)).headSeq]).toEqual([2, 1])
        expect((await a.storage.readMember(service, 'ann'))?.member).toBeUndefined()
      }
    })
  })
}
