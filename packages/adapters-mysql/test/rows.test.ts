import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memberOf, toOptionalSeq, toSeq, toText, toUuid } from '../src/rows.js'

describe('values of rows', () => {
  it('reads a BIGINT in any form that a pool’s flags give it', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        for (const form of [value, String(value), BigInt(value)]) expect(toSeq(form)).toBe(value)
      }),
    )
    expect(toOptionalSeq(null)).toBeUndefined()
    expect(toOptionalSeq('7')).toBe(7)
  })

  it.each([2 ** 53, '9007199254740992', '9007199254740993', 18446744073709551615n, -(2 ** 53), '1.5', 'x', null, undefined, true, {}])(
    'throws for %s instead of passing on another number',
    (value) => {
      expect(() => toSeq(value)).toThrow(RangeError)
    },
  )

  it('reads text of bytes and of characters, and UUIDs of bytes', () => {
    expect(toText('a')).toBe('a')
    expect(toText(Buffer.from('内线 😀'))).toBe('内线 😀')
    expect(() => toText(1)).toThrow(TypeError)
    expect(toUuid(Buffer.from('0190a0b00000700080000000000000ff', 'hex'))).toBe('0190a0b0-0000-7000-8000-0000000000ff')
    expect(() => toUuid('0190a0b0')).toThrow(TypeError)
  })
})

describe('a mention of all, kept on the head', () => {
  const member = (fields: object): number =>
    memberOf({
      ...{ session_id: 'g~1', user_id: 'ann', join_seq: 0, visible_from: 1, visible_ord: 0, leave_seq: null, leave_ord: null },
      ...{ delivered_seq: 0, read_seq: 0, read_ord: 0, sent_ord: 0, mention_seq: 0, muted_until: null, is_pinned: 0, hidden_ord: null },
      ...{ head_ord: 9, mention_all_seq: 0, mention_all_by: null, mention_all_other: 0 },
      ...fields,
    }).mentionSeq

  it('is told to those who were there, and not to who made it', () => {
    expect(member({ mention_all_seq: 5, mention_all_by: 'bob' })).toBe(5)
    expect(member({ mention_all_seq: 5, mention_all_by: 'ann' })).toBe(0)
    expect(member({ mention_all_seq: 5, mention_all_by: 'ann', mention_all_other: 3 })).toBe(3)
    expect(member({ mention_all_seq: 5, mention_all_by: 'bob', mention_seq: 7 })).toBe(7)
    expect(member({ mention_all_seq: 5, mention_all_by: 'bob', join_seq: 5 })).toBe(0)
    expect(member({ mention_all_seq: 5, mention_all_by: 'bob', leave_seq: 4, leave_ord: 4 })).toBe(0)
    expect(member({ mention_all_seq: 5, mention_all_by: 'bob', leave_seq: 5, leave_ord: 5 })).toBe(5)
  })
})
