import { ERROR_TABLE, ERROR_TITLES, type ServerErrorCode } from '@innerline/protocol'
import * as z from 'zod'
import { sendRequest } from '../app/requests.js'
import type { Params } from './param.js'
import type { Route } from './route.js'
import { checkedBasePath } from './route-table.js'
import { ROUTES } from './routes/index.js'
import { COMPONENTS, problem } from './schemas.js'

export interface OpenApiOptions {
  /** Of the service that is described. */
  readonly version: string
  /** What every path begins with. @default '' */
  readonly basePath?: string | undefined
  /** Whether the built-in accounts are on. */
  readonly accounts: boolean
}

/** An OpenAPI 3.1 document as plain JSON. */
export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, Json>>>>
}

type Json = Readonly<Record<string, unknown>>

const EVERYWHERE: readonly ServerErrorCode[] = ['INVALID_REQUEST', 'BUSY', 'UNAVAILABLE', 'INTERNAL']
const AUTHENTICATED: readonly ServerErrorCode[] = ['UNAUTHORIZED', 'TOKEN_EXPIRED']
const WITH_BODY: readonly ServerErrorCode[] = ['TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']

const requestIdHeader = { description: 'Quote it when you report a failure.', schema: { type: 'string' } }

/** Describes the route table, so that the document cannot say anything else than what is served. */
export function openApiDocument({ version, basePath = '', accounts }: OpenApiOptions): OpenApiDocument {
  const prefix = checkedBasePath(basePath)
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of ROUTES) {
    if (route.access === 'anyone' && !accounts) continue
    const path = prefix + route.pattern.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Innerline', version, description: 'Instant messaging, the REST side. Live messages come over STOMP; see PROTOCOL.md.' },
    paths,
    components: { schemas: componentSchemas(), securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  }
}

function componentSchemas(): Readonly<Record<string, Json>> {
  // A registry of its own: zod's global one is shared with the host's schemas.
  const registry = z.registry<{ id: string; oneOf?: readonly Json[] }>()
  for (const [id, schema] of Object.entries(COMPONENTS)) {
    // A refinement is code and does not show in a schema by itself.
    const targets = ['toUserId', 'groupId', 'sessionId', 'conversationId'].map((target) => ({ required: [target] }))
    registry.add(schema, schema === sendRequest ? { id, oneOf: targets } : { id })
  }
  // `input`: what may be sent, and for answers what may come, without a ban on fields that newer servers add.
  const { schemas } = z.toJSONSchema(registry, { io: 'input', metadata: registry, uri: (id) => `#/components/schemas/${id}` })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]))
}

function bare(schema: object): Json {
  const { $schema: _dialect, $id: _id, ...rest } = schema as { readonly $schema?: unknown; readonly $id?: unknown }
  return rest
}

/** Throws when the schema has no name in {@link COMPONENTS}. */
function reference(schema: z.ZodType): Json {
  const found = Object.entries(COMPONENTS).find(([, component]) => component === schema)
  if (found === undefined) throw new TypeError('A route uses a schema that has no name in COMPONENTS.')
  return { $ref: `#/components/schemas/${found[0]}` }
}

function operation(route: Route): Json {
  return {
    operationId: route.operationId,
    summary: route.summary,
    parameters: [...parameters('path', route.path), ...parameters('query', route.query)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: reference(route.body) } } } }),
    responses: {
      '200': {
        description: 'Done.',
        headers: { 'x-request-id': requestIdHeader },
        content: { 'application/json': { schema: reference(route.answer) } },
      },
      ...problems(route),
    },
    security: route.access === 'anyone' ? [] : [{ bearer: [] }],
  }
}

const parameters = (place: 'path' | 'query', params: Params): readonly Json[] =>
  Object.entries(params).map(([name, { schema, description }]) => ({
    name,
    in: place,
    required: place === 'path',
    description,
    schema: bare(z.toJSONSchema(schema, { io: 'input' })),
  }))

function problems(route: Route): Readonly<Record<string, Json>> {
  const codes = new Set<ServerErrorCode>([
    ...EVERYWHERE,
    ...(route.access === 'anyone' ? [] : AUTHENTICATED),
    ...(route.body === undefined ? [] : WITH_BODY),
    ...route.refusals,
  ])
  const byStatus = new Map<number, ServerErrorCode[]>()
  for (const code of codes) {
    const { http } = ERROR_TABLE[code]
    byStatus.set(http, [...(byStatus.get(http) ?? []), code])
  }
  return Object.fromEntries([...byStatus].sort(([a], [b]) => a - b).map(([status, named]) => [String(status), problemResponse(named)]))
}

function problemResponse(codes: readonly ServerErrorCode[]): Json {
  const later = codes.some((code) => ERROR_TABLE[code].retry === 'later')
  return {
    description: codes.map((code) => `\`${code}\`: ${ERROR_TITLES[code]}`).join('\n\n'),
    headers: {
      'x-request-id': requestIdHeader,
      ...(later ? { 'retry-after': { description: 'Seconds; retryAfterMs is exact.', schema: { type: 'integer' } } } : {}),
    },
    content: { 'application/problem+json': { schema: reference(problem) } },
  }
}
