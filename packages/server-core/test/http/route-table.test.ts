import { describe, expect, it } from 'vitest'
import { checkedBasePath, RouteTable } from '../../src/http/route-table.js'
import { ROUTES } from '../../src/http/routes/index.js'

const patterns = (table: RouteTable, path: string): string[] => table.match(path).map(({ route }) => `${route.method} ${route.pattern}`)

describe('the route table', () => {
  const table = new RouteTable(ROUTES, '')

  it('finds each of its own routes', () => {
    for (const { method, pattern } of ROUTES) expect(patterns(table, pattern.replace(/:\w+/g, 'some'))).toContain(`${method} ${pattern}`)
  })

  it('puts fixed words before parameters', () => {
    expect(patterns(table, '/api/im/offline/summary')).toEqual(['GET /api/im/offline/summary', 'GET /api/im/offline/:conversationId'])
    expect(patterns(table, '/api/im/offline/ack')).toEqual(['POST /api/im/offline/ack', 'GET /api/im/offline/:conversationId'])
  })

  it('hands parameters over as they were encoded', () => {
    expect(table.match('/api/im/messages/a%2Fb')[0]?.params).toEqual({ msgId: 'a%2Fb' })
  })

  it.each([
    '',
    '/',
    '/api',
    '/api/im',
    '/api/im/',
    '/api/im/me/',
    '//api/im/me',
    '/API/im/me',
    '/api/im/messages/',
    '/api/im/messages/a/b',
    '/x/api/im/me',
  ])('leaves %j alone', (path) => expect(patterns(table, path)).toEqual([]))

  it('moves with its base path', () => {
    const moved = new RouteTable(ROUTES, '/im')
    expect(patterns(moved, '/im/api/im/me')).toEqual(['GET /api/im/me'])
    expect(patterns(moved, '/api/im/me')).toEqual([])
    expect(patterns(moved, '/imapi/im/me')).toEqual([])
  })
})

describe('checkedBasePath', () => {
  it('drops slashes at the end and asks for one at the beginning', () => {
    expect(['', '/', '/im', '/a/b/'].map(checkedBasePath)).toEqual(['', '', '/im', '/a/b'])
    expect(() => checkedBasePath('im')).toThrow("basePath must begin with '/'")
  })
})
