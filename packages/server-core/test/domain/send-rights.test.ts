import { describe, expect, it } from 'vitest'
import { refusalToSend } from '../../src/domain/send-rights.js'

describe('refusalToSend', () => {
  const present = { leaveSeq: undefined }

  it.each([
    ['group', 'open', present, undefined],
    ['direct', 'open', present, undefined],
    ['service', 'open', present, undefined],
    ['service', 'closed', present, 'SESSION_CLOSED'],
    ['group', 'closed', present, 'STATE_CONFLICT'],
    ['direct', 'closed', present, 'STATE_CONFLICT'],
    ['group', 'open', undefined, 'NOT_MEMBER'],
    ['group', 'open', { leaveSeq: 4 }, 'NOT_MEMBER'],
    ['group', 'open', { leaveSeq: 0 }, 'NOT_MEMBER'],
  ] as const)('%s, %s, member %o: %s', (chatType, state, member, code) => {
    expect(refusalToSend({ chatType, state }, member)).toBe(code)
  })

  it('tells a stranger of no state: whether it is closed is none of their business', () => {
    for (const chatType of ['group', 'service'] as const) {
      expect(refusalToSend({ chatType, state: 'closed' }, undefined)).toBe('NOT_MEMBER')
      expect(refusalToSend({ chatType, state: 'closed' }, { leaveSeq: 1 })).toBe('NOT_MEMBER')
    }
  })
})
