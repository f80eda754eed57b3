import type { UserProfile } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import type { UserDirectory } from '../../src/ports/index.js'
import { callByContract as call, problemFields, serveWorld } from './rest-server.js'

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
