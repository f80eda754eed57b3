import { type ConnectionSnapshot, type ConversationSnapshot, ImError, type TimelineItem } from '@innerline/sdk-client'
import { describe, expect, it } from 'vitest'
import { hindranceOf } from '../web/connection-text.js'
import { Cell } from '../web/dom.js'
import { storageWait } from '../web/storage-wait.js'

type Item = Pick<TimelineItem, 'msgId' | 'status' | 'error'>

function watched() {
  const items = new Cell<readonly Item[]>([])
  const conversations = new Cell<readonly Pick<ConversationSnapshot, 'sync'>[]>([])
  const storage = storageWait()
  storage.watch({ outbox: items, conversations } as unknown as Parameters<typeof storage.watch>[0])
  const answered = (status: number, path = '/api/im/offline/d~alice~bob') => storage.saw({ type: 'fetch', method: 'GET', path, status })
  return { items, conversations, answered, waits: () => storage.waits.getSnapshot() }
}
const unavailable = new ImError('UNAVAILABLE')

describe('waiting for the server’s storage', () => {
  it('begins with a refusal that passes, lasts through every further try and ends when the message leaves the outbox', () => {
    const { items, waits } = watched()
    items.set([{ msgId: 'a', status: 'sending' }])
    expect(waits()).toBe(false)
    items.set([
      { msgId: 'a', status: 'queued', error: unavailable },
      { msgId: 'b', status: 'queued' },
    ])
    expect(waits()).toBe(true)
    items.set([
      { msgId: 'a', status: 'sending' },
      { msgId: 'b', status: 'queued' },
    ])
    expect(waits(), 'tried again, not settled').toBe(true)
    items.set([{ msgId: 'b', status: 'sending' }])
    expect(waits()).toBe(false)
  })

  it.each(['RATE_LIMITED', 'ACK_TIMEOUT', 'OFFLINE'] as const)('is not what %s means', (code) => {
    const { items, waits } = watched()
    items.set([{ msgId: 'a', status: 'queued', error: new ImError(code) }])
    expect(waits()).toBe(false)
  })

  it('is over for a message that was refused for good or given up', () => {
    const { items, waits } = watched()
    items.set([{ msgId: 'a', status: 'queued', error: unavailable }])
    items.set([{ msgId: 'a', status: 'failed', error: new ImError('EXPIRED') }])
    expect(waits()).toBe(false)
  })

  it('is also when a pull is refused, for as long as something is being pulled', () => {
    const { conversations, answered, waits } = watched()
    conversations.set([{ sync: 'pulling' }])
    answered(503, '/api/im/users')
    expect(waits(), 'nobody tries that again').toBe(false)
    answered(503)
    expect(waits()).toBe(true)
    conversations.set([{ sync: 'dormant' }])
    expect(waits(), 'closed: nothing is tried any more').toBe(false)
    conversations.set([{ sync: 'pulling' }])
    expect(waits()).toBe(true)
    answered(200)
    expect(waits()).toBe(false)
  })
})

describe('the banner', () => {
  const at = (status: ConnectionSnapshot['status'], lost: boolean, storageWaits: boolean, error?: ImError) =>
    hindranceOf({ status, lost, attempt: 0, ...(error && { error }) }, true, storageWaits)

  it('speaks of the storage only where the server is reached', () => {
    expect(at('connected', false, true)).toBe('storage')
    expect(at('connected', false, false)).toBeUndefined()
    expect(at('reconnecting', true, true)).toBe('lost')
    expect(at('reconnecting', true, false, unavailable), 'refused by the server').toBe('storage')
    expect(at('reconnecting', false, true)).toBeUndefined()
    expect(at('closed', false, true)).toBe('closed')
    expect(hindranceOf({ status: 'reconnecting', lost: false, attempt: 1 }, false, true)).toBe('offline')
  })
})
