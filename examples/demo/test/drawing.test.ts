import type { TimelineItem } from '@innerline/sdk-client'
import { describe, expect, it } from 'vitest'
import { DEMO_USERS } from '../src/demo-users.js'
import { isSendKey } from '../web/composer.js'
import { chipState } from '../web/connection-text.js'
import { AVATAR_COLOURS, colourOf, dayLabel, initials, listTime } from '../web/format.js'
import { tickOf } from '../web/ticks.js'
import { planTimeline } from '../web/timeline-plan.js'

const DAY = 86_400_000
const noon = new Date(2026, 4, 20, 12).getTime()

let number = 0
const item = (fields: Partial<TimelineItem>): TimelineItem => ({
  conversationId: 'd~alice~bob',
  chatType: 'direct',
  msgId: `m${++number}`,
  fromUserId: 'bob',
  timestamp: noon,
  kind: 'message',
  body: { type: 'text', text: 'x' },
  own: false,
  ...fields,
})

describe('ticks', () => {
  it.each([
    ['queued', 'clock', false],
    ['sending', 'clock', false],
    ['sent', 'tick', false],
    ['delivered', 'ticks', false],
    ['read', 'ticks', true],
    ['failed', 'alert', false],
  ] as const)('%s is drawn as %s', (status, icon, read) => {
    expect(tickOf(status)).toMatchObject({ icon, read })
  })

  it('are not drawn at messages of others', () => {
    expect(tickOf(undefined)).toBeUndefined()
  })

  it('are told apart by what a screen reader says', () => {
    const labels = (['queued', 'sending', 'sent', 'delivered', 'read', 'failed'] as const).map((status) => tickOf(status)?.label)
    expect(new Set(labels).size).toBe(6)
  })
})

describe('the timeline', () => {
  const shape = (...args: Parameters<typeof planTimeline>) => planTimeline(...args).map(({ type }) => type)

  it('separates days', () => {
    const items = [item({ seq: 1, timestamp: noon - DAY }), item({ seq: 2 }), item({ seq: 3 })]
    expect(shape(items, [], undefined)).toEqual(['day', 'message', 'day', 'message', 'message'])
  })

  it('draws messages of one person closer, for five minutes', () => {
    const items = [
      item({}),
      item({}),
      item({ own: true, fromUserId: 'alice' }),
      item({ timestamp: noon + 1 }),
      item({ timestamp: noon + 400_000 }),
    ]
    const continued = planTimeline(items, [], undefined).flatMap((line) => (line.type === 'message' ? [line.continued] : []))
    expect(continued).toEqual([false, true, false, false, false])
  })

  it('says once where the new messages of others begin', () => {
    const items = [item({ seq: 1 }), item({ seq: 2, own: true }), item({ seq: 3 }), item({ seq: 4 })]
    expect(shape(items, [], 1)).toEqual(['day', 'message', 'message', 'new', 'message', 'message'])
    expect(shape(items, [], 4)).not.toContain('new')
  })

  it('shows a range that is not loaded, and not the seqs of recalls', () => {
    const items = [item({ seq: 1 }), item({ seq: 3 }), item({ seq: 9 })]
    const lines = planTimeline(items, [{ fromSeq: 4, toSeq: 8 }], undefined)
    expect(lines.map(({ type }) => type)).toEqual(['day', 'message', 'message', 'hole', 'message'])
    expect(lines[3]).toMatchObject({ count: 5 })
  })

  it('gives every line a key of its own', () => {
    const items = [item({ seq: 1 }), item({ seq: 2, timestamp: noon + DAY }), item({ seq: 3 }), item({ seq: 4, timestamp: noon + DAY })]
    const keys = planTimeline(items, [], 0).map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
  })
})

describe('the composer', () => {
  const key = (fields: object) => isSendKey({ key: 'Enter', shiftKey: false, isComposing: false, keyCode: 13, ...fields })

  it('sends on Enter alone', () => {
    expect(key({})).toBe(true)
    expect(key({ shiftKey: true })).toBe(false)
    expect(key({ key: 'a', keyCode: 65 })).toBe(false)
  })

  it('leaves Enter to an input method that composes', () => {
    expect(key({ isComposing: true })).toBe(false)
    expect(key({ keyCode: 229 })).toBe(false)
  })
})

describe('words and colours', () => {
  it.each([
    ['Alice 爱丽丝', 'A'],
    ['Mary Jane Watson', 'MJ'],
    ['王小明', '王'],
    ['élodie', 'É'],
    ['  ', '?'],
  ])('%j has the initials %s', (name, expected) => {
    expect(initials(name)).toBe(expected)
  })

  it('keeps colours inside the palette and the four colleagues apart', () => {
    const colours = DEMO_USERS.map(({ userId }) => colourOf(userId))
    for (const colour of colours) expect(colour).toBeGreaterThanOrEqual(0)
    for (const colour of colours) expect(colour).toBeLessThan(AVATAR_COLOURS)
    expect(new Set(colours.slice(0, 4)).size).toBe(4)
  })

  it('names days from the reader’s point of view', () => {
    expect(dayLabel(noon, noon + 1)).toBe('Today')
    expect(dayLabel(noon - DAY, noon)).toBe('Yesterday')
    expect(dayLabel(noon - 3 * DAY, noon)).toMatch(/17 May/)
    expect(dayLabel(noon - 400 * DAY, noon)).toMatch(/2025/)
    expect(listTime(noon, noon)).toBe('12:00')
    expect(listTime(noon - DAY, noon)).toBe('Yesterday')
  })

  it('calls it offline only while a connection is wanted and there is no network', () => {
    const at = (status: 'connected' | 'reconnecting' | 'closed', online: boolean) => chipState({ status, lost: false, attempt: 0 }, online)
    expect(at('reconnecting', false)).toBe('offline')
    expect(at('reconnecting', true)).toBe('reconnecting')
    expect(at('connected', false)).toBe('connected')
    expect(at('closed', false)).toBe('closed')
  })
})
