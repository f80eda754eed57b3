import type { UserProfile } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { ROUTES } from '../../src/http/routes/index.js'
import type { UserDirectory } from '../../src/ports/index.js'
import { type Answer, type CallOptions, problemFields, type RestServer, serveWorld } from './rest-server.js'

const people: readonly UserProfile[] = [
  { userId: 'alice', userType: 'user', displayName: 'Alice 王' },
  { userId: 'bob', userType: 'agent', displayName: 'Bob', avatar: '/bob.png' },
  { userId: 'carol', userType: 'user', displayName: 'Carol' },
  { userId: 'dave', userType: 'user', displayName: 'Dave' },
]
const directory: UserDirectory = {
  profiles: async (ids) =>
    people.filter(({ userId }) => ids.includes(userId)).map((row) => ({ ...row, email: `${row.userId}@corp.example` })),
  search: async (text, limit) => people.filter(({ displayName }) => displayName.includes(text)).slice(0, limit),
}

/** Calls a route and holds a good answer to the schema that is published for it: no field more, none less. */
async function call(server: RestServer, method: 'GET' | 'POST', path: string, options: CallOptions): Promise<Answer> {
  const answer = await server.call(method, path, options)
  if (answer.status !== 200) return answer
  const route = ROUTES.filter((candidate) => candidate.method === method).find(({ pattern }) =>
    new RegExp(`^${pattern.replace(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0] as string),
  )
  expect(route?.answer.parse(answer.json)).toEqual(answer.json)
  return answer
}

/** `n` messages of alice to bob; their msgIds in order. */
async function chat(server: RestServer, n: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 1; i <= n; i++) {
    const { json } = await server.call('POST', '/api/im/messages', {
      user: 'alice',
      body: { toUserId: 'bob', body: { type: 'text', text: `m${i}` } },
    })
    ids.push(json.msgId)
  }
  return ids
}

const conversationId = 'd~alice~bob'
const seqs = (answer: Answer): number[] => (answer.json.messages ?? answer.json.items).map(({ seq }: { seq: number }) => seq)

describe('POST /api/im/messages', () => {
  const body = { msgId: '0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b', toUserId: 'bob', body: { type: 'text', text: '<b>"hi"</b>\n你好\u2028' } }

  it('stores and says where; a retry gets the same place', async () => {
    const server = await serveWorld()
    const first = await call(server, 'POST', '/api/im/messages', { user: 'alice', body })
    expect(first.json).toMatchObject({ msgId: body.msgId, conversationId, seq: 1, ord: 1, duplicate: false })
    const again = await call(server, 'POST', '/api/im/messages', { user: 'alice', body })
    expect(again.json).toEqual({ ...first.json, duplicate: true })
    const other = await call(server, 'POST', '/api/im/messages', {
      user: 'alice',
      body: { ...body, body: { type: 'text', text: 'other' } },
    })
    expect(other.json).toMatchObject(problemFields('MSG_ID_CONFLICT', 409))
  })

  it('makes a msgId when there is none', async () => {
    const server = await serveWorld()
    const { json } = await call(server, 'POST', '/api/im/messages', { user: 'alice', body: { ...body, msgId: undefined } })
    expect(json.msgId).toMatch(/-7[0-9a-f]{3}-/)
  })

  it('sends as the principal, whatever the request says (predecessor row 1)', async () => {
    const server = await serveWorld()
    const forged = { ...body, fromUserId: 'carol', userId: 'carol', operatorId: 'carol' }
    expect((await call(server, 'POST', '/api/im/messages', { user: 'alice', body: forged })).json.conversationId).toBe(conversationId)
    const { json } = await call(server, 'GET', `/api/im/messages/${body.msgId}`, { user: 'bob' })
    expect(json).toMatchObject({ fromUserId: 'alice', body: body.body })
  })

  it('names what is wrong with a request', async () => {
    const server = await serveWorld()
    const cases: readonly [unknown, string][] = [
      [{}, 'body must be'],
      [{ ...body, groupId: 'g' }, 'needs exactly one target'],
      [{ ...body, msgId: 'nope' }, 'msgId must be a lower-case UUID'],
      [{ ...body, toUserId: 'alice' }, 'two different users'],
      [[], 'The request is invalid'],
    ]
    for (const [request, detail] of cases) {
      const answer = await call(server, 'POST', '/api/im/messages', { user: 'alice', body: request })
      expect(answer.json).toMatchObject({ ...problemFields('INVALID_REQUEST', 400), detail: expect.stringContaining(detail) })
    }
  })

  it('refuses conversations of others and too many at once', async () => {
    const server = await serveWorld()
    await chat(server, 1)
    const foreign = await call(server, 'POST', '/api/im/messages', { user: 'carol', body: { conversationId, body: body.body } })
    expect(foreign.json).toMatchObject(problemFields('NOT_MEMBER', 403))
    const group = await call(server, 'POST', '/api/im/messages', { user: 'carol', body: { groupId: 'nowhere', body: body.body } })
    expect(group.json).toMatchObject(problemFields('NOT_FOUND', 404))
    const answers = await Promise.all(
      Array.from({ length: 31 }, () => call(server, 'POST', '/api/im/messages', { user: 'dave', body: { ...body, msgId: undefined } })),
    )
    const refused = answers.filter(({ status }) => status !== 200)
    expect(refused).toHaveLength(1)
    expect(refused[0]?.json).toMatchObject(problemFields('RATE_LIMITED', 429))
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
  })

  it('answers TOO_LARGE for a body within the request limit and over its own', async () => {
    const server = await serveWorld({}, { bodyBytes: 100 })
    const answer = await call(server, 'POST', '/api/im/messages', {
      user: 'alice',
      body: { ...body, body: { type: 'text', text: 'x'.repeat(100) } },
    })
    expect(answer.json).toMatchObject({ ...problemFields('TOO_LARGE', 413), detail: 'A body may have 100 bytes of JSON.' })
  })
})

describe('GET /api/im/messages/:msgId', () => {
  it('is for those who may see it', async () => {
    const server = await serveWorld()
    const [id] = await chat(server, 1)
    expect((await call(server, 'GET', `/api/im/messages/${id}`, { user: 'bob' })).json).toMatchObject({
      seq: 1,
      body: { type: 'text', text: 'm1' },
    })
    expect((await call(server, 'GET', `/api/im/messages/${id}`, { user: 'carol' })).json).toMatchObject(problemFields('NOT_FOUND', 404))
    expect((await call(server, 'GET', '/api/im/messages/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b', { user: 'bob' })).status).toBe(404)
    expect((await call(server, 'GET', '/api/im/messages/nope', { user: 'bob' })).json).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: 'msgId must be a lower-case UUID.',
    })
  })
})

describe('GET /api/chat/messages/session/:sessionId', () => {
  const path = `/api/chat/messages/session/${conversationId}`

  it('pages from every place, ascending and exclusive', async () => {
    const server = await serveWorld()
    const ids = await chat(server, 7)
    const page = (query: string) => call(server, 'GET', `${path}?${query}`, { user: 'bob' })
    const newest = await page('limit=3')
    expect(newest.json).toMatchObject({ hasMore: true, floorSeq: 1, epoch: 1 })
    expect(seqs(newest)).toEqual([5, 6, 7])
    expect(seqs(await page(''))).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(seqs(await page('beforeSeq=5&limit=3'))).toEqual([2, 3, 4])
    expect(seqs(await page(`beforeId=${ids[4]}&limit=3`))).toEqual([2, 3, 4])
    expect(seqs(await page(`beforeMessageId=${ids[4]}&limit=3`))).toEqual([2, 3, 4])
    expect(seqs(await page('afterSeq=5'))).toEqual([6, 7])
    expect(seqs(await page('beforeTime=1'))).toEqual([])
    expect(seqs(await page(`beforeTime=${server.world.clock.now() + 1}&limit=1`))).toEqual([7])
    expect((await page('beforeSeq=1')).json).toEqual({
      messages: [],
      hasMore: false,
      floorSeq: 1,
      epoch: 1,
      receipts: [{ userId: 'alice', deliveredSeq: 0, readSeq: 0 }],
    })
  })

  it('neither repeats nor loses messages of one millisecond (predecessor row 23)', async () => {
    const server = await serveWorld()
    await chat(server, 20)
    const seen: number[] = []
    for (let before = '', more = true; more; ) {
      const page = await call(server, 'GET', `${path}?limit=3${before}`, { user: 'bob' })
      seen.unshift(...seqs(page))
      before = `&beforeSeq=${seen[0]}`
      more = page.json.hasMore
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  })

  it('takes at most one place, and limits as they are', async () => {
    const server = await serveWorld()
    const [id] = await chat(server, 1)
    for (const query of [
      'beforeSeq=1&afterSeq=1',
      `beforeId=${id}&beforeTime=1`,
      `beforeId=${id}&beforeMessageId=${id}`,
      `beforeMessageId=${id}&beforeSeq=1`,
    ]) {
      expect((await call(server, 'GET', `${path}?${query}`, { user: 'bob' })).json, query).toMatchObject(
        problemFields('INVALID_REQUEST', 400),
      )
    }
    for (const raw of ['0', '201', '-1', '1e2', 'abc', '']) {
      const { json } = await call(server, 'GET', `${path}?limit=${raw}`, { user: 'bob' })
      expect(json).toMatchObject({ code: 'INVALID_REQUEST', detail: 'limit must be an integer from 1 to 200.' })
    }
    for (const name of ['beforeSeq', 'afterSeq', 'beforeTime']) {
      for (const raw of ['1e3', '-1', 'abc', '']) {
        const { json } = await call(server, 'GET', `${path}?${name}=${raw}`, { user: 'bob' })
        expect(json).toMatchObject({ code: 'INVALID_REQUEST', detail: `${name} must be an integer of at least 0.` })
      }
    }
    expect((await call(server, 'GET', `${path}?x=%E4%B8`, { user: 'bob' })).json).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringContaining('percent'),
    })
  })

  it('does not let strangers tell what exists (predecessor row 1)', async () => {
    const server = await serveWorld()
    await chat(server, 1)
    const foreign = await call(server, 'GET', path, { user: 'carol' })
    const unknown = await call(server, 'GET', '/api/chat/messages/session/d~x~y', { user: 'carol' })
    expect(foreign.json).toMatchObject(problemFields('NOT_FOUND', 404))
    expect({ ...foreign.json, requestId: '' }).toEqual({ ...unknown.json, requestId: '' })
    const beforeId = await call(server, 'GET', `${path}?beforeId=0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b`, { user: 'bob' })
    expect(beforeId.json).toMatchObject(problemFields('NOT_FOUND', 404))
  })

  it('takes a bare service session id, and an encoded conversation id', async () => {
    const server = await serveWorld()
    const { storage, clock, ids } = server.world
    await storage.openConversation({
      conversationId: 's~visit-1',
      chatType: 'service',
      userIds: ['alice'],
      nodeId: ids.uuid(),
      now: clock.now(),
    })
    await server.call('POST', '/api/im/messages', { user: 'alice', body: { sessionId: 'visit-1', body: { type: 'text', text: 'help' } } })
    for (const id of ['visit-1', 's~visit-1', 's%7Evisit-1']) {
      expect((await call(server, 'GET', `/api/chat/messages/session/${id}`, { user: 'alice' })).json.messages, id).toHaveLength(1)
    }
    for (const id of ['d~b~a', '%00', 'a%2Fb', '王']) {
      const { json } = await call(server, 'GET', `/api/chat/messages/session/${id}`, { user: 'alice' })
      expect(json, id).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringMatching(/^sessionId must be a conversation id/) })
    }
    expect((await call(server, 'GET', '/api/chat/messages/session/%E4', { user: 'alice' })).json.detail).toBe(
      'sessionId is not valid percent-encoding.',
    )
  })

  it('shows nothing of a recalled body on any read path (predecessor row 17)', async () => {
    const server = await serveWorld()
    const { storage, clock, ids } = server.world
    await storage.openConversation({ conversationId, chatType: 'direct', userIds: ['alice', 'bob'], nodeId: ids.uuid(), now: clock.now() })
    const item = {
      conversationId,
      msgId: ids.uuid(),
      fromUserId: 'alice',
      kind: 'message',
      countable: true,
      hash: '',
      checkedAt: 1,
      channels: [],
    } as const
    // As a recall leaves it: the body is the JSON text null.
    await storage.appendMessages({ nodeId: ids.uuid(), now: clock.now(), items: [{ ...item, bodyJson: 'null', preview: '' }] })
    const reads = [path, `${path}/page`, `/api/im/offline/${conversationId}?afterSeq=0`, `/api/im/messages/${item.msgId}`]
    for (const read of reads) {
      const { json } = await call(server, 'GET', read, { user: 'bob' })
      expect((json.messages ?? json.items ?? [json])[0], read).toMatchObject({ msgId: item.msgId, body: null })
    }
  })

  it('splices stored bodies in as they are', async () => {
    const server = await serveWorld()
    const text = '"},{"seq":99}\\ \u2028 😀 </script>'
    const custom = { type: 'x-order', n: 1.0, deep: [{ a: null }], text }
    await server.call('POST', '/api/im/messages', { user: 'alice', body: { toUserId: 'bob', body: custom } })
    const { json } = await call(server, 'GET', path, { user: 'bob' })
    expect(json.messages).toHaveLength(1)
    expect(json.messages[0].body).toEqual(custom)
  })
})

describe('GET …/page', () => {
  it('counts from the newest, with a real total', async () => {
    const server = await serveWorld()
    await chat(server, 5)
    const page = (query: string) => call(server, 'GET', `/api/chat/messages/session/${conversationId}/page?${query}`, { user: 'bob' })
    const first = await page('limit=2')
    expect(first.json).toMatchObject({ total: 5, offset: 0, limit: 2 })
    expect(seqs(first)).toEqual([5, 4])
    expect(seqs(await page('offset=2&limit=2'))).toEqual([3, 2])
    expect(seqs(await page('offset=4&limit=2'))).toEqual([1])
    expect((await page('offset=5')).json).toEqual({ items: [], total: 5, offset: 5, limit: 50 })
    expect((await page('offset=-1')).json).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringContaining('offset') })
  })
})

describe('GET /api/im/conversations', () => {
  it('lists the newest first, by cursor and kind', async () => {
    const server = await serveWorld({}, { directory })
    for (const peer of ['bob', 'carol', 'dave']) {
      await server.world.clock.advance(1)
      await server.call('POST', '/api/im/messages', { user: 'alice', body: { toUserId: peer, body: { type: 'text', text: `hi ${peer}` } } })
    }
    const list = (query: string) => call(server, 'GET', `/api/im/conversations?${query}`, { user: 'alice' })
    const ids = (answer: Answer) => answer.json.items.map(({ peerUserId }: { peerUserId: string }) => peerUserId)
    const first = await list('limit=2')
    expect(ids(first)).toEqual(['dave', 'carol'])
    const second = await list(`limit=2&cursor=${encodeURIComponent(first.json.next)}`)
    expect(ids(second)).toEqual(['bob'])
    expect(second.json.items[0]).toMatchObject({ title: 'Bob', headSeq: 1, unread: 0, lastMessage: { preview: 'hi bob' } })
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
    const server = await serveWorld()
    await chat(server, 5)
    const before = await call(server, 'GET', '/api/im/offline/summary', { user: 'bob' })
    expect(before.json).toMatchObject({ epoch: 1, totalUnread: 5, conversations: [{ conversationId, deliveredSeq: 0, unread: 5 }] })
    const pulled = await call(server, 'GET', `/api/im/offline/${conversationId}?limit=2`, { user: 'bob' })
    expect(pulled.json).toMatchObject({ hasMore: true, nextAfterSeq: 2, floorSeq: 1 })
    const ack = await call(server, 'POST', '/api/im/offline/ack', {
      user: 'bob',
      body: { epoch: 1, acks: [{ conversationId, upToSeq: 2 }] },
    })
    expect(ack.json).toEqual({ acks: [{ conversationId, deliveredSeq: 2, readSeq: 2, unread: 3 }] })
    expect(seqs(await call(server, 'GET', `/api/im/offline/${conversationId}`, { user: 'bob' }))).toEqual([3, 4, 5])
    expect((await call(server, 'GET', `/api/im/offline/${conversationId}?afterSeq=5`, { user: 'bob' })).json).toMatchObject({
      messages: [],
      nextAfterSeq: 5,
      hasMore: false,
    })
    const twice = await call(server, 'POST', '/api/im/offline/ack', { user: 'bob', body: { acks: [{ conversationId, upToSeq: 1 }] } })
    expect(twice.json.acks[0]).toMatchObject({ deliveredSeq: 2, unread: 3 })
  })

  it('leaves out foreign conversations and refuses another epoch', async () => {
    const server = await serveWorld()
    await chat(server, 1)
    const foreign = await call(server, 'POST', '/api/im/offline/ack', {
      user: 'carol',
      body: { userId: 'bob', acks: [{ conversationId, upToSeq: 1 }] },
    })
    expect(foreign.json).toEqual({ acks: [] })
    expect((await call(server, 'GET', '/api/im/offline/summary', { user: 'bob' })).json.totalUnread).toBe(1)
    const epoch = await call(server, 'POST', '/api/im/offline/ack', {
      user: 'bob',
      body: { epoch: 2, acks: [{ conversationId, upToSeq: 1 }] },
    })
    expect(epoch.json).toMatchObject({ ...problemFields('EPOCH_CHANGED', 409), retry: 'after-resync' })
    expect((await call(server, 'GET', `/api/im/offline/${conversationId}`, { user: 'carol' })).json).toMatchObject(
      problemFields('NOT_FOUND', 404),
    )
  })

  it('answers UNAVAILABLE while storage is away', async () => {
    const server = await serveWorld()
    await chat(server, 1)
    await server.world.storage.close()
    const answer = await call(server, 'GET', '/api/im/offline/summary', { user: 'bob' })
    expect(answer.json).toMatchObject(problemFields('UNAVAILABLE', 503))
  })
})

describe('GET /api/im/me', () => {
  it('says who the caller is', async () => {
    const bare = await serveWorld()
    expect((await call(bare, 'GET', '/api/im/me', { user: 'alice' })).json).toEqual({
      userId: 'alice',
      userType: 'user',
      displayName: 'alice',
      roles: [],
    })
    const known = await serveWorld(
      { authenticate: () => ({ userId: 'bob', userType: 'user', deviceId: 'd1', roles: ['admin'], expiresAt: 9e15 }) },
      { directory },
    )
    expect((await call(known, 'GET', '/api/im/me', {})).json).toEqual({
      userId: 'bob',
      userType: 'user',
      displayName: 'Bob',
      avatar: '/bob.png',
      deviceId: 'd1',
      roles: ['admin'],
      expiresAt: 9e15,
    })
  })
})

describe('GET /api/im/users', () => {
  it("gives profiles by id and by text, and nothing else of the host's rows", async () => {
    const server = await serveWorld({}, { directory })
    expect((await call(server, 'GET', '/api/im/users?ids=bob,nobody', { user: 'alice' })).json).toEqual({ items: [people[1]] })
    expect((await call(server, 'GET', '/api/im/users?q=%E7%8E%8B', { user: 'alice' })).json).toEqual({ items: [people[0]] })
    expect((await call(server, 'GET', '/api/im/users?q=o&limit=1', { user: 'alice' })).json.items).toHaveLength(1)
    for (const query of [
      '',
      '?ids=a&q=b',
      '?ids=',
      '?q=',
      `?ids=${Array.from({ length: 201 }, (_, i) => i).join(',')}`,
      '?q=a&limit=201',
    ]) {
      expect((await call(server, 'GET', `/api/im/users${query}`, { user: 'alice' })).json, query).toMatchObject(
        problemFields('INVALID_REQUEST', 400),
      )
    }
  })

  it('is UNSUPPORTED without a directory, or without search', async () => {
    const none = await serveWorld()
    for (const query of ['ids=bob', 'q=b']) {
      expect((await call(none, 'GET', `/api/im/users?${query}`, { user: 'alice' })).json).toMatchObject(problemFields('UNSUPPORTED', 501))
    }
    const { profiles } = directory
    const blind = await serveWorld({}, { directory: { profiles } })
    expect((await call(blind, 'GET', '/api/im/users?ids=bob', { user: 'alice' })).status).toBe(200)
    expect((await call(blind, 'GET', '/api/im/users?q=b', { user: 'alice' })).json).toMatchObject(problemFields('UNSUPPORTED', 501))
  })
})
