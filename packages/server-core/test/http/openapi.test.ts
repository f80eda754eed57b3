import { ERROR_TABLE } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { openApiDocument } from '../../src/http/index.js'
import { ROUTES } from '../../src/http/routes/index.js'

// biome-ignore lint/suspicious/noExplicitAny: a document is walked freely; what is expected of each part is compared.
type Node = any

const document: Node = JSON.parse(JSON.stringify(openApiDocument({ version: '1.2.3', accounts: true })))
const operations: readonly [string, string, Node][] = Object.entries<Node>(document.paths).flatMap(([path, item]) =>
  Object.entries<Node>(item).map(([method, operation]): [string, string, Node] => [path, method, operation]),
)

function walk(node: Node, visit: (node: Node) => void): void {
  if (typeof node !== 'object' || node === null) return
  visit(node)
  for (const child of Object.values(node)) walk(child, visit)
}

describe('the OpenAPI document', () => {
  it('has every route and nothing else', () => {
    const written = operations.map(([path, method]) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`)
    expect(written.sort()).toEqual(ROUTES.map(({ method, pattern }) => `${method} ${pattern}`).sort())
  })

  it('is a 3.1 document with what the specification requires', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Innerline', version: '1.2.3' } })
    for (const [path, , operation] of operations) {
      expect(path).toMatch(/^\/[\w/{}-]+$/)
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const declared = operation.parameters.filter((parameter: Node) => parameter.in === 'path')
      expect(declared.map((parameter: Node) => parameter.name).sort()).toEqual(names.sort())
      expect(declared.every((parameter: Node) => parameter.required === true)).toBe(true)
      for (const parameter of operation.parameters)
        expect(parameter).toMatchObject({ description: expect.any(String), schema: { type: expect.any(String) } })
      for (const [status, response] of Object.entries<Node>(operation.responses)) {
        expect(status).toMatch(/^[1-5]\d\d$/)
        expect(response.description).not.toBe('')
        const type = status === '200' ? 'application/json' : 'application/problem+json'
        expect(Object.keys(response.content)).toEqual([type])
      }
    }
  })

  it('gives each operation a name of its own', () => {
    const names = operations.map(([, , operation]) => operation.operationId)
    expect(new Set(names).size).toBe(names.length)
  })

  it('has no reference that leads nowhere, and no component that nothing leads to', () => {
    const seen = new Set<string>()
    walk(document, (node) => {
      if (typeof node.$ref !== 'string') return
      const name = /^#\/components\/schemas\/(\w+)$/.exec(node.$ref)?.[1]
      expect(document.components.schemas).toHaveProperty(String(name))
      seen.add(String(name))
    })
    expect([...seen].sort()).toEqual(Object.keys(document.components.schemas).sort())
  })

  it('names no dialect or id inside, which would move the base of its references', () => {
    walk(document, (node) => {
      expect(Object.keys(node)).not.toContain('$id')
      expect(Object.keys(node)).not.toContain('$schema')
    })
  })

  it('says of each route what it may refuse', () => {
    for (const { pattern, method, access, body, refusals } of ROUTES) {
      const operation = document.paths[pattern.replace(/:(\w+)/g, '{$1}')][method.toLowerCase()]
      const common = ['INVALID_REQUEST', 'BUSY', 'UNAVAILABLE', 'INTERNAL'] as const
      const auth = access === 'principal' ? (['UNAUTHORIZED', 'TOKEN_EXPIRED'] as const) : []
      const write = body === undefined ? [] : (['TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const)
      for (const code of [...refusals, ...common, ...auth, ...write]) {
        const response = operation.responses[String(ERROR_TABLE[code].http)]
        expect(response.description, `${operation.operationId} ${code}`).toContain(`\`${code}\``)
        expect(response.content['application/problem+json'].schema).toEqual({ $ref: '#/components/schemas/Problem' })
      }
      expect(operation.security).toEqual(access === 'principal' ? [{ bearer: [] }] : [])
    }
  })

  it('knows limits and the one target of a send', () => {
    const limit = document.paths['/api/im/conversations'].get.parameters.find(({ name }: Node) => name === 'limit')
    expect(limit).toMatchObject({ in: 'query', required: false, schema: { type: 'integer', minimum: 1, maximum: 200 } })
    expect(document.components.schemas.SendRequest.oneOf).toContainEqual({ required: ['toUserId'] })
    expect(document.components.schemas.ChatMessage.required).not.toContain('replyTo')
  })

  it('moves with the base path, and leaves sign-in out where there is none', () => {
    const { paths } = openApiDocument({ version: '1', basePath: '/im', accounts: false })
    expect(Object.keys(paths).every((path) => path.startsWith('/im/api/'))).toBe(true)
    expect(Object.keys(paths).some((path) => path.includes('login'))).toBe(false)
  })
})
