import { describe, expect, it } from 'vitest'
import {
  type Acknowledged,
  checkDevices,
  checkEvents,
  checkOrigins,
  checkSends,
  checkUnread,
  type DeviceHistory,
  type FinalMember,
  type HeldConversation,
  type LoggedEntry,
  type Rule,
  type SendHistory,
  type ShownMessage,
  type Violation,
} from './index.js'

const conversationId = 'd~ana~ben'
const rulesOf = (found: readonly Violation[]): Rule[] => [...new Set(found.map(({ rule }) => rule))]

const entry = (seq: number): LoggedEntry => ({
  ...{ conversationId, seq, ord: seq, msgId: `m${seq}`, fromUserId: 'ana', content: `text ${seq}`, countable: true, timestamp: seq },
})
const log = [entry(1), entry(2), entry(3)]
const row = (seq: number): ShownMessage => ({ seq, msgId: `m${seq}`, content: `text ${seq}` })
/** Ana wrote three messages; Ben has been given all and has read the first. */
const ana: FinalMember = { conversationId, userId: 'ana', visibleFrom: 1, deliveredSeq: 3, readSeq: 3, unread: 0 }
const ben: FinalMember = { conversationId, userId: 'ben', visibleFrom: 1, deliveredSeq: 3, readSeq: 1, unread: 2 }
const members = [ana, ben]

const held = (fields: Partial<HeldConversation> = {}): HeldConversation => ({
  ...{ conversationId, sync: 'live', headSeq: 3, unread: 2, deliveredSeq: 3, readSeq: 1, holes: [] },
  ...{ shown: [row(1), row(2), row(3)], stored: { lowSeq: 0, lastSeq: 3, rows: [row(1), row(2), row(3)] } },
  peers: { ana: { deliveredSeq: 3, readSeq: 3 } },
  ...fields,
})
const device = (fields: Partial<HeldConversation> = {}, whole: Partial<DeviceHistory> = {}): DeviceHistory => ({
  ...{ device: 'ben/1', userId: 'ben', totalUnread: 2, conversations: [held(fields)], unsettled: [] },
  ...whole,
})

describe('a device', () => {
  it('passes with everything, with an open hole, and with what was never opened', () => {
    const hole = { shown: [row(3)], holes: [{ fromSeq: 1, toSeq: 2 }], stored: { lowSeq: 2, lastSeq: 3, rows: [row(3)] } }
    for (const one of [device(), device(hole), device({ sync: 'dormant', shown: [], stored: undefined })]) {
      expect([...checkDevices([one], { log, members }), ...checkUnread([one], { log, members })]).toEqual([])
    }
  })

  it.each<[string, DeviceHistory, Rule]>([
    ['a message unsettled', device({}, { unsettled: ['m4'] }), 'send-open'],
    ['a head that is not the end', device({ headSeq: 2 }), 'hidden-hole'],
    ['an end that it does not show', device({ shown: [row(1), row(2)] }), 'view-hole'],
    ['a hole between what it shows', device({ shown: [row(1), row(3)] }), 'view-hole'],
    ['something twice', device({ shown: [row(1), row(2), row(2), row(3)] }), 'view-hole'],
    ['a beginning that it neither shows nor names', device({ shown: [row(2), row(3)] }), 'hidden-hole'],
    ['a foreign message on its page', device({ shown: [row(1), { ...row(2), msgId: 'm9' }, row(3)] }), 'view-foreign'],
    ['another text on its page', device({ shown: [row(1), { ...row(2), content: 'other' }, row(3)] }), 'view-foreign'],
    ['a hole in its store', device({ stored: { lowSeq: 0, lastSeq: 3, rows: [row(1), row(3)] } }), 'store-hole'],
    ['a foreign row in its store', device({ stored: { lowSeq: 0, lastSeq: 3, rows: [row(1), row(2), row(4)] } }), 'store-foreign'],
    ['a store beyond the log', device({ stored: { lowSeq: 0, lastSeq: 4, rows: [row(1), row(2), row(3)] } }), 'store-foreign'],
    ['a store behind its page', device({ stored: { lowSeq: 0, lastSeq: 2, rows: [row(1), row(2)] } }), 'store-behind'],
    ['a tick that is not true', device({ peers: { ana: { deliveredSeq: 4, readSeq: 3 } } }), 'tick-ahead'],
    ['what its user is no member of', device({}, { userId: 'eve' }), 'beyond-membership'],
  ])('must not have %s', (_, one, rule) => {
    expect(rulesOf(checkDevices([one], { log, members }))).toContain(rule)
  })

  it.each<[string, Partial<FinalMember>, Rule]>([
    ['entries from before its user may see', { visibleFrom: 2 }, 'view-foreign'],
    ['entries from after its user left', { leaveSeq: 2 }, 'store-foreign'],
  ])('must not have %s', (_, fields, rule) => {
    expect(rulesOf(checkDevices([device()], { log, members: [ana, { ...ben, ...fields }] }))).toContain(rule)
  })

  it.each<[string, DeviceHistory, readonly FinalMember[], Rule]>([
    ['one badge', device({ unread: 1 }), members, 'unread-wrong'],
    ['the total', device({}, { totalUnread: 3 }), members, 'unread-wrong'],
    ['the count of the service', device(), [ana, { ...ben, unread: 1 }], 'unread-wrong'],
    ['a conversation it never heard of', device({}, { conversations: [] }), members, 'unknown-conversation'],
  ])('is not right in %s', (_, one, rows, rule) => {
    expect(rulesOf(checkUnread([one], { log, members: rows }))).toContain(rule)
  })

  it('counts one own message as having seen all before it', () => {
    const own = [entry(1), { ...entry(2), fromUserId: 'ben' }, entry(3)]
    const rows = [ana, { ...ben, unread: 1 }]
    expect(checkUnread([device({ unread: 1 }, { totalUnread: 1 })], { log: own, members: rows })).toEqual([])
  })
})

describe('message events', () => {
  const event = (seq: number, era = 0) => ({ app: 'ben/1#1', era, conversationId, seq, msgId: `m${seq}` })
  const rules = (...events: ReturnType<typeof event>[]): Rule[] =>
    rulesOf(checkEvents([{ store: 'ben/1 store 1', userId: 'ben', events, era: 0, taken: [] }]))

  it('come once and ascending, and anew after a change of epoch', () => {
    expect(rules(event(1), event(3), event(1, 1))).toEqual([])
    expect(rules(event(1), event(1))).toEqual(['event-repeat'])
    expect(rules(event(2), event(1))).toEqual(['event-order'])
  })

  it('come for every row that the store took, but for what a change of epoch has voided', () => {
    const taking = (...taken: ReturnType<typeof event>[]): Rule[] =>
      rulesOf(checkEvents([{ store: 'ben/1 store 1', userId: 'ben', events: [event(1), event(2), event(1, 1)], era: 1, taken }]))
    expect(taking(event(3), event(1, 1))).toEqual([])
    expect(taking(event(1, 1), event(2, 1))).toEqual(['event-lost'])
  })
})

describe('sends', () => {
  const told = (seq: number): Acknowledged => ({ ok: true, seq, ord: seq, timestamp: seq, duplicate: true })
  const refused = { ok: false, code: 'MUTED', final: true } as const
  const send = (seq: number, fields: Partial<SendHistory> = {}): SendHistory => ({
    ...{ app: 'ana/1#1', device: 'ana/1', userId: 'ana', msgId: `m${seq}`, conversationId, content: `text ${seq}` },
    ...{ startedAt: seq, endedAt: seq + 1, outcome: told(seq), appEnded: false, revived: false },
    ...fields,
  })

  it('pass with a true end, without one when their app is gone, and with a refusal taken back', () => {
    const open = { endedAt: undefined, outcome: undefined, appEnded: true }
    expect(checkSends([send(1), send(2, open), send(3, { outcome: refused, revived: true })], log)).toEqual([])
    expect(checkOrigins(new Set(['m1', 'm2', 'm3']), log)).toEqual([])
  })

  it.each<[string, readonly SendHistory[], Rule]>([
    ['open', [send(1, { endedAt: undefined, outcome: undefined })], 'send-open'],
    ['settled by what is not stored', [send(4)], 'send-untrue'],
    ['settled as another seq', [send(1, { outcome: told(2) })], 'send-untrue'],
    ['refused though it is stored', [send(1, { outcome: refused })], 'send-untrue'],
    ['stored against the order of the calls', [send(2), send(1)], 'send-order'],
  ])('must not be %s', (_, sends, rule) => {
    expect(rulesOf(checkSends(sends, log))).toEqual([rule])
  })

  it('must not be stored under an id that nobody gave', () => {
    expect(rulesOf(checkOrigins(new Set(['m1', 'm3']), log))).toEqual(['foreign-entry'])
  })
})
