import { ImError, serviceConversationId, type UserProfile } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import type { UserDirectory } from '../../src/ports/index.js'
import { type Answer, callByContract, problemFields, serveWorld, type WorldOptions } from '../http/rest-server.js'
import { gated, type Gate } from '../support/wrapped-storage.js'
import type { OpenStage } from './stage.js'

/** A REST server whose bearer token is the user's name, with Alice, Bob and their conversation. */
async function serve(open: OpenStage, options: Omit<WorldOptions, 'stage'> = {}) {
  const stage = await open()
  const gate: Gate = {}
  const { clock, ids } = stage
  const server = await serveWorld({}, { ...options, stage: { storage: gated(stage.storage, gate), clock, ids } })
  const conversationId = stage.direct('alice', 'bob')
  const get = (name: string, path: string): Promise<Answer> => callByContract(server, 'GET', path, { user: stage.user(name) })
  const post = (name: string, path: string, body: unknown): Promise<Answer> =>
    callByContract(server, 'POST', path, { user: stage.user(name), body })
  return {
    ...{ stage, gate, server, conversationId, get, post },
    history: `/api/chat/messages/session/${conversationId}`,
    offline: `/api/im/offline/${conversationId}`,
    send: (from: string, to: string, text: string) =>
      post(from, '/api/im/messages', { toUserId: stage.user(to), body: { type: 'text', text } }),
    /** `n` messages of Alice to Bob; their msgIds in order. */
    async chat(n: number): Promise<string[]> {
      const sent: string[] = []
      for (let i = 1; i <= n; i++) {
        const body = { toUserId: stage.user('bob'), body: { type: 'text', text: `m${i}` } }
        sent.push((await post('alice', '/api/im/messages', body)).json.msgId)
      }
      return sent
    },
  }
}

const seqs = (answer: Answer): number[] => (answer.json.messages ?? answer.json.items).map(({ seq }: { seq: number }) => seq)
const text = { type: 'text', text: '<b>"hi"</b>\n你好\u2028' }

export function routeCases(open: OpenStage): void {
  describe('POST /api/im/messages', () => {
    it('stores and says where; a retry gets the same place', async () => {
      const { stage, conversationId, post } = await serve(open)
      const body = { msgId: stage.ids.uuid(), toUserId: stage.user('bob'), body: text }
      const first = await post('alice', '/api/im/messages', body)
      expect(first.json).toEqual({ msgId: body.msgId, conversationId, seq: 1, ord: 1, timestamp: stage.clock.now(), duplicate: false })
      const again = await post('alice', '/api/im/messages', body)
      expect(again.json).toEqual({ ...first.json, duplicate: true })
      const other = await post('alice', '/api/im/messages', { ...body, body: { type: 'text', text: 'other' } })
      expect(other.json).toMatchObject(problemFields('MSG_ID_CONFLICT', 409))
    })

    it('makes a msgId when there is none', async () => {
      const { send } = await serve(open)
      expect((await send('alice', 'bob', 'x')).json.msgId).toMatch(/-7[0-9a-f]{3}-/)
    })

    it('sends as the principal, whatever the request says (predecessor row 1)', async () => {
      const { stage, conversationId, get, post } = await serve(open)
      const [alice, carol] = [stage.user('alice'), stage.user('carol')]
      const body = { msgId: stage.ids.uuid(), toUserId: stage.user('bob'), body: text, fromUserId: carol, userId: carol, operatorId: carol }
      expect((await post('alice', '/api/im/messages', body)).json.conversationId).toBe(conversationId)
      expect((await get('bob', `/api/im/messages/${body.msgId}`)).json).toMatchObject({ fromUserId: alice, body: text })
    })

    it('names what is wrong with a request', async () => {
      const { stage, post } = await serve(open)
      const body = { msgId: stage.ids.uuid(), toUserId: stage.user('bob'), body: text }
      const cases: readonly [unknown, string][] = [
        [{}, 'body must be'],
        [{ ...body, groupId: 'g' }, 'needs exactly one target'],
        [{ ...body, msgId: 'nope' }, 'msgId must be a lower-case UUID'],
        [{ ...body, toUserId: stage.user('alice') }, 'two different users'],
        [[], 'The request is invalid'],
      ]
      for (const [request, detail] of cases) {
        const answer = await post('alice', '/api/im/messages', request)
        expect(answer.json).toMatchObject({ ...problemFields('INVALID_REQUEST', 400), detail: expect.stringContaining(detail) })
      }
    })

    it('refuses conversations of others and too many at once', async () => {
      const { stage, conversationId, chat, post, send } = await serve(open)
      await chat(1)
      const foreign = await post('carol', '/api/im/messages', { conversationId, body: text })
      expect(foreign.json).toMatchObject(problemFields('NOT_MEMBER', 403))
      const group = await post('carol', '/api/im/messages', { groupId: stage.ids.uuid(), body: text })
      expect(group.json).toMatchObject(problemFields('NOT_FOUND', 404))
      const answers = await Promise.all(Array.from({ length: 31 }, () => send('dave', 'bob', 'x')))
      const refused = answers.filter(({ status }) => status !== 200)
      expect(refused).toHaveLength(1)
      expect(refused[0]?.json).toMatchObject(problemFields('RATE_LIMITED', 429))
      expect(refused[0]?.headers.get('retry-after')).toBe('1')
    })

    it('answers TOO_LARGE for a body within the request limit and over its own', async () => {
      const { send } = await serve(open, { bodyBytes: 100 })
      const answer = await send('alice', 'bob', 'x'.repeat(100))
      expect(answer.json).toMatchObject({ ...problemFields('TOO_LARGE', 413), detail: 'A body may have 100 bytes of JSON.' })
    })
  })

  describe('GET /api/im/messages/:msgId', () => {
    it('is for those who may see it', async () => {
      const { stage, chat, get } = await serve(open)
      const [id] = await chat(1)
      expect((await get('bob', `/api/im/messages/${id}`)).json).toMatchObject({ seq: 1, body: { type: 'text', text: 'm1' } })
      expect((await get('carol', `/api/im/messages/${id}`)).json).toMatchObject(problemFields('NOT_FOUND', 404))
      expect((await get('bob', `/api/im/messages/${stage.ids.uuid()}`)).status).toBe(404)
      expect((await get('bob', '/api/im/messages/nope')).json).toMatchObject({
        code: 'INVALID_REQUEST',
        detail: 'msgId must be a lower-case UUID.',
      })
    })
  })

  describe('GET /api/chat/messages/session/:sessionId', () => {
    it('pages from every place, ascending and exclusive', async () => {
      const { stage, history, chat, get } = await serve(open)
      const ids = await chat(7)
      const page = (query: string) => get('bob', `${history}?${query}`)
      const newest = await page('limit=3')
      expect(newest.json).toMatchObject({ hasMore: true, floorSeq: 1, epoch: 1 })
      expect(seqs(newest)).toEqual([5, 6, 7])
      expect(seqs(await page(''))).toEqual([1, 2, 3, 4, 5, 6, 7])
      expect(seqs(await page('beforeSeq=5&limit=3'))).toEqual([2, 3, 4])
      expect(seqs(await page(`beforeId=${ids[4]}&limit=3`))).toEqual([2, 3, 4])
      expect(seqs(await page(`beforeMessageId=${ids[4]}&limit=3`))).toEqual([2, 3, 4])
      expect(seqs(await page('afterSeq=5'))).toEqual([6, 7])
      expect(seqs(await page(`afterSeq=${Number.MAX_SAFE_INTEGER}`))).toEqual([])
      expect(seqs(await page('beforeTime=1'))).toEqual([])
      expect(seqs(await page(`beforeTime=${stage.clock.now() + 1}&limit=1`))).toEqual([7])
      expect((await page('beforeSeq=1')).json).toEqual({
        ...{ messages: [], hasMore: false, floorSeq: 1, epoch: 1 },
        receipts: [{ userId: stage.user('alice'), deliveredSeq: 0, readSeq: 0 }],
      })
    })

    it('neither repeats nor loses messages of one millisecond (predecessor row 23)', async () => {
      const { history, chat, get } = await serve(open)
      await chat(20)
      const seen: number[] = []
      for (let before = '', more = true; more; ) {
        const page = await get('bob', `${history}?limit=3${before}`)
        seen.unshift(...seqs(page))
        before = `&beforeSeq=${seen[0]}`
        more = page.json.hasMore
      }
      expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    })

    it('takes at most one place, and limits as they are', async () => {
      const { history, chat, get } = await serve(open)
      const [id] = await chat(1)
      for (const query of [
        'beforeSeq=1&afterSeq=1',
        `beforeId=${id}&beforeTime=1`,
        `beforeId=${id}&beforeMessageId=${id}`,
        `beforeMessageId=${id}&beforeSeq=1`,
      ]) {
        expect((await get('bob', `${history}?${query}`)).json, query).toMatchObject(problemFields('INVALID_REQUEST', 400))
      }
      for (const raw of ['0', '201', '-1', '1e2', 'abc', '']) {
        const { json } = await get('bob', `${history}?limit=${raw}`)
        expect(json).toMatchObject({ code: 'INVALID_REQUEST', detail: 'limit must be an integer from 1 to 200.' })
      }
      for (const name of ['beforeSeq', 'afterSeq', 'beforeTime']) {
        for (const raw of ['1e3', '-1', 'abc', '', `${Number.MAX_SAFE_INTEGER}0`]) {
          const { json } = await get('bob', `${history}?${name}=${raw}`)
          expect(json).toMatchObject({ code: 'INVALID_REQUEST', detail: `${name} must be an integer of at least 0.` })
        }
      }
      expect((await get('bob', `${history}?x=%E4%B8`)).json).toMatchObject({
        code: 'INVALID_REQUEST',
        detail: expect.stringContaining('percent'),
      })
    })

    it('does not let strangers tell what exists (predecessor row 1)', async () => {
      const { stage, history, chat, get } = await serve(open)
      await chat(1)
      const foreign = await get('carol', history)
      const unknown = await get('carol', '/api/chat/messages/session/d~x~y')
      expect(foreign.json).toMatchObject(problemFields('NOT_FOUND', 404))
      expect({ ...foreign.json, requestId: '' }).toEqual({ ...unknown.json, requestId: '' })
      const beforeId = await get('bob', `${history}?beforeId=${stage.ids.uuid()}`)
      expect(beforeId.json).toMatchObject(problemFields('NOT_FOUND', 404))
    })

    it('takes a bare service session id, and an encoded conversation id', async () => {
      const { stage, get, post } = await serve(open)
      const sessionId = `visit${stage.suffix}`
      await stage.open(serviceConversationId(sessionId), 'service', ['alice'])
      await post('alice', '/api/im/messages', { sessionId, body: { type: 'text', text: 'help' } })
      for (const id of [sessionId, `s~${sessionId}`, `s%7E${sessionId}`]) {
        expect((await get('alice', `/api/chat/messages/session/${id}`)).json.messages, id).toHaveLength(1)
      }
      for (const id of ['d~b~a', '%00', 'a%2Fb', '王']) {
        const { json } = await get('alice', `/api/chat/messages/session/${id}`)
        expect(json, id).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringMatching(/^sessionId must be a conversation id/) })
      }
      expect((await get('alice', '/api/chat/messages/session/%E4')).json.detail).toBe('sessionId is not valid percent-encoding.')
    })

    it('shows nothing of a recalled body on any read path (predecessor row 17)', async () => {
      const { stage, conversationId, history, offline, chat, get } = await serve(open)
      const [target] = await chat(1)
      const recall = { kind: 'recall', countable: false, target, bodyJson: 'null', preview: '' } as const
      await stage.storage.appendMessages(stage.batch([stage.item(conversationId, stage.user('alice'), '', recall)]))
      for (const read of [history, `${history}/page?offset=1`, `${offline}?afterSeq=0`, `/api/im/messages/${target}`]) {
        const answer = await get('bob', read)
        expect((answer.json.messages ?? answer.json.items ?? [answer.json])[0], read).toMatchObject({ msgId: target, body: null })
        expect(answer.text).not.toContain('m1')
      }
      expect((await get('bob', '/api/im/offline/summary')).text).not.toContain('m1')
    })

    it('splices stored bodies in as they are', async () => {
      const { stage, history, get, post } = await serve(open)
      const custom = { type: 'x-order', n: 1.0, deep: [{ a: null }], text: '"},{"seq":99}\\ \u2028 😀 </script>' }
      await post('alice', '/api/im/messages', { toUserId: stage.user('bob'), body: custom })
      const { json } = await get('bob', history)
      expect(json.messages).toHaveLength(1)
      expect(json.messages[0].body).toEqual(custom)
    })
  })

  describe('GET …/page', () => {
    it('counts from the newest, with a real total', async () => {
      const { history, chat, get } = await serve(open)
      await chat(5)
      const page = (query: string) => get('bob', `${history}/page?${query}`)
      const first = await page('limit=2')
      expect(first.json).toMatchObject({ total: 5, offset: 0, limit: 2 })
      expect(seqs(first)).toEqual([5, 4])
      expect(seqs(await page('offset=2&limit=2'))).toEqual([3, 2])
      expect(seqs(await page('offset=4&limit=2'))).toEqual([1])
      for (const offset of [5, Number.MAX_SAFE_INTEGER]) {
        expect((await page(`offset=${offset}`)).json).toEqual({ items: [], total: 5, offset, limit: 50 })
      }
      expect((await page('offset=-1')).json).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringContaining('offset') })
    })
  })

  describe('GET /api/im/conversations', () => {
    it('lists the newest first, by cursor and kind', async () => {
      const titled = (userId: string): UserProfile => ({ userId, userType: 'user', displayName: `The ${userId.split('-')[0]}` })
      const directory: UserDirectory = { profiles: async (userIds) => userIds.map(titled) }
      const { stage, get, send } = await serve(open, { directory })
      for (const peer of ['bob', 'carol', 'dave']) {
        await stage.clock.advance(1)
        await send('alice', peer, `hi ${peer}`)
      }
      const list = (query: string) => get('alice', `/api/im/conversations?${query}`)
      const ids = (answer: Answer) => answer.json.items.map(({ peerUserId }: { peerUserId: string }) => peerUserId)
      const first = await list('limit=2')
      expect(ids(first)).toEqual([stage.user('dave'), stage.user('carol')])
      const second = await list(`limit=2&cursor=${encodeURIComponent(first.json.next)}`)
      expect(ids(second)).toEqual([stage.user('bob')])
      expect(second.json.items[0]).toMatchObject({ title: 'The bob', headSeq: 1, unread: 0, lastMessage: { preview: 'hi bob' } })
      expect(second.json).not.toHaveProperty('next')
      expect(ids(await list('chatType=group'))).toEqual([])
      expect(ids(await list('chatType=direct'))).toHaveLength(3)
      for (const query of ['chatType=Direct', 'cursor=', 'cursor=nonsense', 'limit=0']) {
        expect((await list(query)).json, query).toMatchObject(problemFields('INVALID_REQUEST', 400))
      }
    })
  })

  describe('offline', () => {
    it('summarises, pulls and acknowledges', async () => {
      const { conversationId, offline, chat, get, post } = await serve(open)
      await chat(5)
      const before = await get('bob', '/api/im/offline/summary')
      expect(before.json).toMatchObject({ epoch: 1, totalUnread: 5, conversations: [{ conversationId, deliveredSeq: 0, unread: 5 }] })
      const pulled = await get('bob', `${offline}?limit=2`)
      expect(pulled.json).toMatchObject({ hasMore: true, nextAfterSeq: 2, floorSeq: 1 })
      const ack = await post('bob', '/api/im/offline/ack', { epoch: 1, acks: [{ conversationId, upToSeq: 2 }] })
      expect(ack.json).toEqual({ acks: [{ conversationId, deliveredSeq: 2, readSeq: 2, unread: 3 }] })
      expect(seqs(await get('bob', offline))).toEqual([3, 4, 5])
      expect((await get('bob', `${offline}?afterSeq=5`)).json).toMatchObject({ messages: [], nextAfterSeq: 5, hasMore: false })
      const twice = await post('bob', '/api/im/offline/ack', { acks: [{ conversationId, upToSeq: 1 }] })
      expect(twice.json.acks[0]).toMatchObject({ deliveredSeq: 2, unread: 3 })
      expect((await get('bob', '/api/im/offline/summary')).json).toMatchObject({ totalUnread: 3, conversations: [{ deliveredSeq: 2 }] })
    })

    it('leaves out foreign conversations and refuses another epoch', async () => {
      const { stage, conversationId, offline, chat, get, post } = await serve(open)
      await chat(1)
      const acks = [{ conversationId, upToSeq: 1 }]
      expect((await post('carol', '/api/im/offline/ack', { userId: stage.user('bob'), acks })).json).toEqual({ acks: [] })
      expect((await get('bob', '/api/im/offline/summary')).json.totalUnread).toBe(1)
      const epoch = await post('bob', '/api/im/offline/ack', { epoch: 2, acks })
      expect(epoch.json).toMatchObject({ ...problemFields('EPOCH_CHANGED', 409), retry: 'after-resync' })
      expect((await get('carol', offline)).json).toMatchObject(problemFields('NOT_FOUND', 404))
    })

    it('answers UNAVAILABLE while storage is away', async () => {
      const { gate, offline, chat, get, send } = await serve(open)
      await chat(1)
      gate.before = () => {
        throw new ImError('UNAVAILABLE', { retryAfterMs: 1_500 })
      }
      for (const answer of [await get('bob', '/api/im/offline/summary'), await get('bob', offline), await send('alice', 'bob', 'x')]) {
        expect(answer.json).toMatchObject({ ...problemFields('UNAVAILABLE', 503), retry: 'later' })
        expect(answer.headers.get('retry-after')).toBe('2')
      }
    })
  })
}
