import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  chatTypeOf,
  conversationIdOfPath,
  directConversationId,
  groupConversationId,
  isClientMsgId,
  isMsgId,
  isOpaqueId,
  isUserId,
  parseConversationId,
  serviceConversationId,
} from '../src/index.js'

const userId = fc.stringMatching(/^[A-Za-z0-9._@|:+=-]{1,64}$/)
const opaqueId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)

describe('user and opaque ids', () => {
  it.each(['a', 'A.b_c@d|e:f+g=h-i', 'x'.repeat(64)])('%s is a user id', (id) => {
    expect(isUserId(id)).toBe(true)
  })

  it.each(['', 'x'.repeat(65), 'a b', 'a~b', 'a/b', 'ü', 'a\n', '\na'])('%j is no user id', (id) => {
    expect(isUserId(id)).toBe(false)
  })

  it.each(['', 'x'.repeat(65), 'a.b', 'a~b', 'a:b', 'a\n'])('%j is no opaque id', (id) => {
    expect(isOpaqueId(id)).toBe(false)
  })
})

describe('message ids', () => {
  const uuid = (version: string, variant = '8') => `0193a1b2-0000-${version}000-${variant}000-00000000000a`

  it('are lower-case v4 or v7 from a client, v5 too when stored', () => {
    for (const version of ['4', '7']) expect([isClientMsgId(uuid(version)), isMsgId(uuid(version))]).toEqual([true, true])
    expect([isClientMsgId(uuid('5')), isMsgId(uuid('5'))]).toEqual([false, true])
    for (const version of ['1', '2', '3', '6', '8', '0'])
      expect([isClientMsgId(uuid(version)), isMsgId(uuid(version))]).toEqual([false, false])
  })

  it('have the RFC’s variant, no capitals, nothing around them', () => {
    for (const variant of ['8', '9', 'a', 'b']) expect(isClientMsgId(uuid('7', variant))).toBe(true)
    for (const variant of ['0', '7', 'c', 'f']) expect(isClientMsgId(uuid('7', variant))).toBe(false)
    for (const other of [uuid('7').toUpperCase(), `${uuid('7')}\n`, ` ${uuid('7')}`, `{${uuid('7')}}`, uuid('7').replaceAll('-', '')]) {
      expect([isClientMsgId(other), isMsgId(other)]).toEqual([false, false])
    }
  })
})

describe('conversation ids', () => {
  it('name a direct conversation the same for both, and come apart again', () => {
    fc.assert(
      fc.property(userId, userId, (a, b) => {
        const id = directConversationId(a, b)
        expect(directConversationId(b, a)).toBe(id)
        expect(parseConversationId(id)).toEqual({ chatType: 'direct', userIds: a < b ? [a, b] : [b, a] })
        expect(conversationIdOfPath(id)).toBe(id)
      }),
    )
  })

  it('order by code unit, not by locale', () => {
    expect(directConversationId('a', 'B')).toBe('d~B~a')
  })

  it('name groups and sessions', () => {
    fc.assert(
      fc.property(opaqueId, (id) => {
        expect(parseConversationId(groupConversationId(id))).toEqual({ chatType: 'group', groupId: id })
        expect(parseConversationId(serviceConversationId(id))).toEqual({ chatType: 'service', sessionId: id })
        expect([chatTypeOf(groupConversationId(id)), chatTypeOf(serviceConversationId(id))]).toEqual(['group', 'service'])
        expect(conversationIdOfPath(id)).toBe(`s~${id}`)
      }),
    )
  })

  it.each(['', 'd~', 'd~a', 'd~a~', 'd~~a', 'd~b~a', 'd~a~b~c', 'd~a b~c', 'g~', 'g~a~b', 'g~a.b', 's~', 'x~a', 'D~a~b', 'd~a~b\n'])(
    '%j is none',
    (id) => {
      expect(parseConversationId(id)).toBeUndefined()
      expect(chatTypeOf(id)).toBeUndefined()
    },
  )

  it('never takes a path’s text for another conversation', () => {
    for (const path of ['', 'a/b', 'd~b~a', 'g~', '..', 's~a~b']) expect(conversationIdOfPath(path)).toBeUndefined()
  })
})
